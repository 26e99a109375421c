"""The steps: bare verbs on classes that were handed a port; each may run any number of times."""
