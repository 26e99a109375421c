"""A bank under fire: random money movements, faults, and a checker that reads the history."""
