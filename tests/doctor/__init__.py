"""`payflow doctor`: a row turns red for its own reason and for no other."""
