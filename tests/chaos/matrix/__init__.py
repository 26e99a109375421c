"""The crash matrix: every shape of a saga, at every crash point, under every fault."""
