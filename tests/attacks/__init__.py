"""Attacks on a running stack, each by one account, while other accounts make transfers."""
