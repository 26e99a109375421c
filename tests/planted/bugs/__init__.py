"""One bug a module: its docstring says what is wrong, ``plant()`` makes it so in this process."""
