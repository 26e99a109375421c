"""A stack with everything on: traces to a collector of ours, payloads encrypted."""
