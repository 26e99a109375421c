"""The settings of a command: from the environment, or from the stack that runs on the folder."""

import os
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError

from cli.errors import UNREACHABLE, CliError
from cli.folder import DataFolder
from payflow.settings import Settings

ADDRESSES = ("mongo_url", "redis_url", "temporal_address")


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """The settings, with ``overrides`` over the environment.

    Raises:
        CliError: a value is not allowed; names the variable, never the value.
    """
    try:
        return Settings(**overrides or {})
    except ValidationError as error:
        problems = [_problem(one["loc"], one["msg"]) for one in error.errors()]
        text = "\n".join(problems)
        between = "\n" if "\n" in text else " "
        raise CliError(f"The configuration is not right:{between}{text}") from None
    except (SettingsError, OSError, UnicodeDecodeError) as error:  # a file of secrets
        raise CliError(
            f"The configuration cannot be read from PAYFLOW_SECRETS_DIR: {error}."
        ) from None


def settings_of_running_stack() -> Settings:
    """Settings that lead to the stack of the same ``PAYFLOW_DATA_DIR``.

    Addresses that the environment names (as it does in containers) are taken as they are.

    Raises:
        CliError: no stack says that it runs there.
    """
    settings = load_settings()
    if "PAYFLOW_MONGO_URL" in os.environ:
        return settings
    facts = DataFolder(settings.data_dir).published()
    if facts is None:
        raise CliError(
            f"No stack runs on {settings.data_dir.absolute()}: start one with `make up`, "
            "or set PAYFLOW_DATA_DIR to its folder.",
            UNREACHABLE,
        )
    return load_settings({name: facts[name] for name in ADDRESSES})


def metrics_urls_of(settings: Settings) -> list[str]:
    """Where the processes of the stack show their metrics; none is known in containers."""
    facts = DataFolder(settings.data_dir).published()
    if facts is None or "PAYFLOW_MONGO_URL" in os.environ:
        return []
    return list(facts["metrics_urls"])


def _problem(location: tuple[int | str, ...], message: str) -> str:
    what = message.removeprefix("Value error, ")
    return f"PAYFLOW_{str(location[0]).upper()}: {what}" if location else what
