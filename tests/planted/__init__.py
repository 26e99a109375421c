"""Bugs that somebody might write, planted on purpose: each must turn a named test red."""
