"""The stories, told on in-memory books by a time-skipping server, inside the sandbox."""
