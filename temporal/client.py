"""The Temporal client and its data converter: one factory for every process."""

from temporalio.client import Client

from payflow.settings import Settings
from temporal.converter import DATA_CONVERTER


async def connect(settings: Settings, *, lazy: bool = False) -> Client:
    """A client of the configured namespace.

    Args:
        settings: where Temporal is.
        lazy: connect at the first call; such a client starts workflows but runs no worker.
    """
    return await Client.connect(
        settings.temporal_address,
        namespace=settings.temporal_namespace,
        data_converter=DATA_CONVERTER,
        lazy=lazy,
    )
