"""Payloads that nobody encodes are not looked for.

The SDK walks through each message to and from a workflow three times, for payload codecs and for
storage outside of Temporal, also where a client has neither: a tenth of a transfer's time.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from temporalio.bridge import worker as bridge
from temporalio.converter import DataConverter
from temporalio.converter._extstore import StorageOperationMetrics

Walk = Callable[..., Awaitable[StorageOperationMetrics]]


def pass_plain_payloads() -> None:
    """Let the workers of this process leave out what would change nothing; again does no harm."""
    for name in ("decode_activation", "encode_completion"):
        walk: Walk = getattr(bridge, name)
        if not hasattr(walk, "walks"):
            setattr(bridge, name, _where_it_matters(walk))


def _where_it_matters(walk: Walk) -> Walk:
    async def sparing(
        message: Any,  # noqa: ANN401 - the SDK's activation or completion
        converter: DataConverter,
        **how: Any,  # noqa: ANN401 - the SDK's
    ) -> StorageOperationMetrics:
        if converter.payload_codec is None and converter.external_storage is None:
            return StorageOperationMetrics()
        return await walk(message, converter, **how)

    sparing.walks = walk  # type: ignore[attr-defined]  # how a second call tells
    return sparing
