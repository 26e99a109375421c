"""Tells a person what the stack does: a live display on a terminal, plain lines elsewhere."""

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from cli.supervisor import Reporter


class Lines:
    """One line per event, at once: for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def starting(self, name: str) -> None:
        """Nothing: the line that counts is the one when it answers."""

    def ready(self, name: str, seconds: float) -> None:
        """Say that it answers."""
        self.say(f"{name} answers after {seconds:.1f} s.")

    def say(self, line: str) -> None:
        """Print the line as it is, however narrow the terminal."""
        self._console.print(line, soft_wrap=True, highlight=False, markup=False)


class Spinners(Lines):
    """A spinner per child until it answers."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description:<10}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def starting(self, name: str) -> None:
        """Show it spinning."""
        self._progress.start()
        self._tasks[name] = self._progress.add_task(name, total=1)

    def ready(self, name: str, seconds: float) -> None:  # noqa: ARG002 - the display has its own
        """Tick it off."""
        self._progress.update(self._tasks[name], completed=1)

    def say(self, line: str) -> None:
        """End the display, if it still runs, and print."""
        self._progress.stop()
        super().say(line)


def reporter_for(console: Console) -> Reporter:
    """The display that suits the console."""
    return Spinners(console) if console.is_terminal else Lines(console)
