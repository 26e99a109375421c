"""Random walks over the HTTP API beside a model of a few dicts: both must say the same."""
