"""The contests, one a file: each answers a question and hands over an ``Outcome``."""
