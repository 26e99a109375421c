"""Search attributes: registered when missing, and what a transfer starts with."""

from collections.abc import Collection

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
)
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode

from payflow.domain.transfers import Transfer
from temporal import names


class SearchAttributesDiffer(Exception):
    """An attribute of our name has another type here; nothing could be found by it."""


async def missing_search_attributes(client: Client) -> list[str]:
    """The attributes our queries need and the namespace lacks.

    Raises:
        SearchAttributesDiffer: one is there with another type; says which, and what would be right.
    """
    listed = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    found = listed.custom_attributes
    for key in names.SEARCH_ATTRIBUTES:
        if key.name in found and int(found[key.name]) != int(key.indexed_value_type):
            raise SearchAttributesDiffer(
                f"search attribute {key.name} of namespace {client.namespace} is "
                f"{_type_name(found[key.name])} and must be {_type_name(key.indexed_value_type)}: "
                f"`temporal operator search-attribute remove --name {key.name}`, then start again"
            )
    return [key.name for key in names.SEARCH_ATTRIBUTES if key.name not in found]


async def ensure_search_attributes(client: Client) -> None:
    """Register what is missing; two processes that do so at once do no harm."""
    missing = set(await missing_search_attributes(client))
    if missing:
        await add_search_attributes(client, missing)


async def add_search_attributes(client: Client, wanted: Collection[str]) -> None:
    """Register these attributes, unless somebody just did."""
    request = AddSearchAttributesRequest(
        namespace=client.namespace,
        search_attributes={
            key.name: IndexedValueType.ValueType(key.indexed_value_type)
            for key in names.SEARCH_ATTRIBUTES
            if key.name in wanted
        },
    )
    try:
        await client.operator_service.add_search_attributes(request)
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise


def _type_name(indexed_value_type: int) -> str:
    name = IndexedValueType.Name(IndexedValueType.ValueType(indexed_value_type))
    return name.removeprefix("INDEXED_VALUE_TYPE_").capitalize()


def at_start(transfer: Transfer) -> TypedSearchAttributes:
    """What a transfer can be found by from the first moment: no amount, no person."""
    return TypedSearchAttributes(
        [
            SearchAttributePair(names.SOURCE, transfer.source_wallet_id),
            SearchAttributePair(names.DESTINATION, transfer.destination_wallet_id),
            SearchAttributePair(names.CURRENCY, transfer.money.currency),
            SearchAttributePair(names.AMOUNT_BAND, amount_band(transfer.money.amount_minor)),
        ]
    )


def amount_band(amount_minor: int) -> str:
    """The power of ten an amount lies in: ``1e3-1e4`` for 1,000 to 9,999 minor units."""
    power = len(str(amount_minor)) - 1
    return f"1e{power}-1e{power + 1}"
