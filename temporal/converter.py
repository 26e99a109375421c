"""How values travel through Temporal: as JSON by pydantic, checked when they arrive."""

from dataclasses import replace

from temporalio.contrib.pydantic import (
    PydanticJSONPlainPayloadConverter,
    PydanticPayloadConverter,
    pydantic_data_converter,
)
from temporalio.converter import CompositePayloadConverter

_JSON = PydanticJSONPlainPayloadConverter()
_CONVERTERS = tuple(
    _JSON if isinstance(one, PydanticJSONPlainPayloadConverter) else one
    for one in PydanticPayloadConverter().converters.values()
)


class SharedPayloadConverter(CompositePayloadConverter):
    """Pydantic's converter, with one cache of type adapters for all.

    Each workflow run gets a payload converter of its own, and with it would make its adapters
    anew: 1 ms of CPU for each transfer.
    """

    def __init__(self) -> None:
        super().__init__(*_CONVERTERS)


DATA_CONVERTER = replace(pydantic_data_converter, payload_converter_class=SharedPayloadConverter)
