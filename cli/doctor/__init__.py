"""``payflow doctor``: what is wrong with a running stack, row by row, and how to put it right."""
