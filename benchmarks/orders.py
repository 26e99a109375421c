"""What the callers ask for: transfers along different paths, and reads."""

import json
from collections.abc import Sequence

from benchmarks.jobs import Order
from benchmarks.town import Purse, Resident, Town

COMPLETED = '"status":"completed"'
WAIT = "wait=30"

Orders = list[list[Order]]


def transfer(source: Purse, destination: Purse) -> Order:
    """One minor unit from one to the other; the answer comes when it has arrived."""
    body = {
        "source_wallet_id": source.wallet_id,
        "destination_wallet_id": destination.wallet_id,
        "amount": 1,
        "currency": "USD",
    }
    token = source.owner.token
    return Order("POST", "/v1/transfers", token, COMPLETED, json.dumps(body), WAIT)


def spread(town: Town, callers: int) -> Orders:
    """Around the town: every wallet pays the next, so each is paid as often as it pays."""
    purses = town.purses
    ring = [transfer(purse, purses[at - 1]) for at, purse in enumerate(purses)]
    return dealt(ring, callers)


def into_one(town: Town, callers: int) -> Orders:
    """Every wallet pays the same one."""
    return dealt([transfer(purse, town.hot) for purse in town.purses], callers)


def out_of_one(town: Town, callers: int) -> Orders:
    """The same wallet pays every one."""
    return dealt([transfer(town.hot, purse) for purse in town.purses], callers)


def reading(owners: Sequence[Resident], transfer_ids: Sequence[str], callers: int) -> Orders:
    """Reads of single transfers, each by a party of it."""
    found = [
        Order("GET", f"/v1/transfers/{transfer_id}", owner.token, transfer_id)
        for owner, transfer_id in zip(owners, transfer_ids, strict=True)
    ]
    return dealt(found, callers)


def listing(town: Town) -> Orders:
    """The first page of a list, by one caller; the page is full and another follows."""
    return [
        [
            Order("GET", "/v1/transfers", resident.token, '"has_more":true')
            for resident in town.residents
        ]
    ]


def dealt(orders: Sequence[Order], callers: int) -> Orders:
    """The orders dealt out to the callers like cards."""
    return [list(orders[caller::callers]) for caller in range(callers)]
