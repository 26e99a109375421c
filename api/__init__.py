"""The HTTP door: parse, ask a port, answer."""
