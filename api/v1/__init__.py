"""The calls of version 1, a file for each resource."""
