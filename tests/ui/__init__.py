"""The Temporal UI in a real browser, as an operator uses it: `make ui-check`."""
