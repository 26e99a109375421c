"""The stories: deterministic, and short enough to be read."""
