"""How the house is built, held by a machine."""
