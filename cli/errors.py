"""What the command line says when it cannot go on: one sentence and an exit code."""

import functools
import sys
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from typing import ParamSpec, TypeVar

import typer

P = ParamSpec("P")
R = TypeVar("R")

UNREACHABLE = 2  # the stack does not answer: nothing was asked, so nothing was refused


class CliError(Exception):
    """A reason to stop that a person can act on; never a traceback."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class FolderUnusable(CliError):
    """The data folder cannot be made, read or written."""

    def __init__(self, folder: Path, error: OSError) -> None:
        super().__init__(
            f"The data folder {folder} cannot be used ({error.strerror}): "
            "set PAYFLOW_DATA_DIR to a folder that you can write."
        )


def told_plainly(command: Callable[P, R]) -> Callable[P, R]:
    """Let the command end with its ``CliError`` as one line on stderr."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        _write_anything()
        try:
            return command(*args, **kwargs)
        except CliError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(error.exit_code) from None

    return wrapped


def _write_anything() -> None:
    """What the terminal's encoding lacks is written as its escape, and is no error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
