"""The processes that run stories and steps, and those that keep them moving."""
