"""A line of writes that somebody listens to, for bugs about what is written when."""

from collections.abc import Callable

from payflow.storage.commands import Line, Write


class Overheard:
    """Passes writes on to a line, or does not, and keeps the insertions."""

    def __init__(self, line: Line, *, passes_on: Callable[[Write], bool] = lambda _: True) -> None:
        self._line = line
        self._passes_on = passes_on
        self.insertions: list[Write] = []

    def send(self, one: Write) -> None:
        """Hear of a write."""
        if "insert" in one.command:
            self.insertions.append(one)
        if self._passes_on(one):
            self._line.send(one)
