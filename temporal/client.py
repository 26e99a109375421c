"""The Temporal client and its data converter: one factory for every process."""

from dataclasses import replace
from typing import Any

from temporalio.client import Client, HeaderCodecBehavior
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes
from temporalio.service import KeepAliveConfig

from payflow.domain.observing import UNOBSERVED, Observer
from payflow.settings import Settings
from temporal.carrying import Carrying
from temporal.codec import codec_of
from temporal.converter import DATA_CONVERTER
from temporal.observing import Observing

# A half-open connection is given up after 17 s; by default it takes 45. A server ends connections
# that ping more often than each 10 s (`frontend.keepAliveMinTime`).
KEEP_ALIVE = KeepAliveConfig(interval_millis=12_000, timeout_millis=5_000)


async def connect(
    settings: Settings, *, lazy: bool = False, observer: Observer = UNOBSERVED
) -> Client:
    """A client of the configured namespace.

    Args:
        settings: where Temporal is, and the keys of what it stores.
        lazy: connect at the first call; such a client starts workflows but runs no worker.
        observer: is told of every attempt at an activity of the client's workers.
    """
    converter = data_converter(settings)
    has_codec = converter.payload_codec is not None
    return await Client.connect(
        settings.temporal_address,
        namespace=settings.temporal_namespace,
        data_converter=converter,
        # without a codec the SDK would walk through every header for nothing
        header_codec_behavior=(
            HeaderCodecBehavior.CODEC if has_codec else HeaderCodecBehavior.NO_CODEC
        ),
        interceptors=interceptors(settings, observer),
        lazy=lazy,
        keep_alive_config=KEEP_ALIVE,
    )


def data_converter(settings: Settings) -> DataConverter:
    """Pydantic's converter; with keys, payloads and failures are encrypted.

    The messages and stack traces of failures are no payloads: the codec alone would leave them
    readable.
    """
    codec = codec_of(settings)
    if codec is None:
        return DATA_CONVERTER
    return replace(
        DATA_CONVERTER,
        payload_codec=codec,
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


def interceptors(settings: Settings, observer: Observer) -> list[Any]:
    """For a client and its workers, the outermost first; none adds a command to a workflow."""
    if not settings.otlp_endpoint:
        return [Carrying(), Observing(observer), *_points(settings)]
    from temporal.tracing import RecordedTraces  # noqa: PLC0415 - not to be paid for when off

    return [RecordedTraces(), Carrying(), Observing(observer), *_points(settings)]


def _points(settings: Settings) -> list[Any]:
    """What holds stories still in tests."""
    if not settings.crash_points:
        return []
    from payflow.storage.crash_points import FOLDER, FilePoints  # noqa: PLC0415 - tests alone
    from temporal.crash_points import Holding  # noqa: PLC0415

    return [Holding(FilePoints(settings.data_dir / FOLDER))]
