"""The calls of the API as values: what is sent, and the type of what is answered."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypeVar

from payflow.client.answers import (
    Batch,
    BatchItem,
    Delivery,
    Endpoint,
    EndpointWithSecret,
    Entry,
    Event,
    Movement,
    Page,
    Receipt,
    Registration,
    Tokens,
    Transfer,
    User,
    Wallet,
)

T_co = TypeVar("T_co", covariant=True)

ANSWER_WITHIN_S = 30.0  # beyond what a call asks to wait


@dataclass(frozen=True, slots=True)
class Call(Generic[T_co]):
    """One request. ``repeatable``: made twice it has one effect, so it may be made again."""

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    key: str | None = None
    wait_s: int = 0
    harmless: bool = False
    page_by: str = "cursor"

    @property
    def repeatable(self) -> bool:
        """Whether an attempt whose end is not known may be followed by another one."""
        return self.method in ("GET", "DELETE") or self.key is not None or self.harmless

    @property
    def headers(self) -> dict[str, str]:
        """The key, and how long to wait for the end."""
        headers = {"Idempotency-Key": self.key} if self.key else {}
        return headers | ({"Prefer": f"wait={self.wait_s}"} if self.wait_s else {})

    @property
    def timeout_s(self) -> float:
        """When to give an attempt up."""
        return self.wait_s + ANSWER_WITHIN_S

    def after(self, cursor: str) -> "Call[T_co]":
        """The call for the next page."""
        return replace(self, query={**self.query, self.page_by: cursor})


def new_key() -> str:
    """An idempotency key nobody has used."""
    return f"pfk-{secrets.token_hex(16)}"


def register(*, email: str, password: str, name: str) -> Call[Registration]:
    """Make a user with a first wallet."""
    body = {"email": email, "password": password, "name": name}
    return Call("POST", "/v1/auth/register", body=body)


def login(email: str, password: str) -> Call[Tokens]:
    """Begin a session."""
    body = {"email": email, "password": password}
    return Call("POST", "/v1/auth/login", body=body, harmless=True)


def refresh(refresh_token: str) -> Call[Tokens]:
    """Spend a refresh token; not repeatable: a spent one that comes again ends the session."""
    return Call("POST", "/v1/auth/refresh", body={"refresh_token": refresh_token})


def me() -> Call[User]:
    """The user who is signed in."""
    return Call("GET", "/v1/auth/me")


def open_wallet(currency: str, *, name: str | None = None) -> Call[Wallet]:
    """Open an empty wallet."""
    return Call("POST", "/v1/wallets", body={"currency": currency, "name": name})


def wallet(wallet_id: str) -> Call[Wallet]:
    """A wallet."""
    return Call("GET", f"/v1/wallets/{wallet_id}")


def wallets(*, limit: int = 100) -> Call[Page[Wallet]]:
    """The own wallets, newest first."""
    return Call("GET", "/v1/wallets", {"limit": limit})


def entries(wallet_id: str, *, limit: int = 100) -> Call[Page[Entry]]:
    """A wallet's ledger entries, newest first."""
    return Call("GET", f"/v1/wallets/{wallet_id}/entries", {"limit": limit})


def deposit(
    wallet_id: str, amount: int, currency: str, *, reference: str | None = None, key: str = ""
) -> Call[Movement]:
    """Bring money in: for operators, in dev and test for owners too."""
    return _movement("deposits", wallet_id, (amount, currency, reference), key)


def withdraw(
    wallet_id: str, amount: int, currency: str, *, reference: str | None = None, key: str = ""
) -> Call[Movement]:
    """Take money out: for operators, in dev and test for owners too."""
    return _movement("withdrawals", wallet_id, (amount, currency, reference), key)


def make_transfer(  # noqa: PLR0913  # the fields of a transfer
    *,
    source_wallet_id: str,
    amount: int,
    currency: str,
    destination_wallet_id: str | None = None,
    destination_email: str | None = None,
    description: str | None = None,
    metadata: Mapping[str, str] | None = None,
    wait_s: int = 0,
    key: str = "",
) -> Call[Transfer]:
    """Send money to a wallet or an address; ``wait_s`` (to 30) waits for the end.

    ``amount`` is in minor units. Give ``key`` when the order has an id of your own: then it is paid
    once, however often and from wherever it is asked for.
    """
    body = {
        "source_wallet_id": source_wallet_id,
        "destination_wallet_id": destination_wallet_id,
        "destination_email": destination_email,
        "amount": amount,
        "currency": currency,
        "description": description,
        "metadata": dict(metadata or {}),
    }
    return Call("POST", "/v1/transfers", body=body, key=key or new_key(), wait_s=wait_s)


def transfer(transfer_id: str) -> Call[Transfer]:
    """A transfer."""
    return Call("GET", f"/v1/transfers/{transfer_id}")


def transfers(
    *, status: str | None = None, wallet_id: str | None = None, limit: int = 100
) -> Call[Page[Transfer]]:
    """The transfers one is a party of, newest first."""
    return Call("GET", "/v1/transfers", _said(limit=limit, status=status, wallet_id=wallet_id))


def receipt(transfer_id: str) -> Call[Receipt]:
    """An ended transfer's signed receipt; ``inclusion`` is None until its period is sealed."""
    return Call("GET", f"/v1/transfers/{transfer_id}/receipt")


def make_batch(
    transfers: Sequence[Mapping[str, Any]],
    *,
    mode: Literal["independent", "stop_on_error", "atomic"] = "independent",
    key: str = "",
) -> Call[Batch]:
    """Up to 10,000 transfers in one call; each is the fields of ``make_transfer``."""
    body = {"mode": mode, "transfers": list(transfers)}
    return Call("POST", "/v1/batches", body=body, key=key or new_key())


def batch(batch_id: str) -> Call[Batch]:
    """A batch."""
    return Call("GET", f"/v1/batches/{batch_id}")


def batch_items(batch_id: str, *, limit: int = 100) -> Call[Page[BatchItem]]:
    """The items of a batch, in the order in which they were sent."""
    return Call("GET", f"/v1/batches/{batch_id}/items", {"limit": limit})


def events(*, after: int = 0, types: Sequence[str] = (), limit: int = 100) -> Call[Page[Event]]:
    """What has happened, oldest first, after a position."""
    query = {"after": after, "type": list(types), "limit": limit}
    return Call("GET", "/v1/events", query, page_by="after")


def make_endpoint(
    url: str, event_types: Sequence[str] = ("*",), *, description: str | None = None
) -> Call[EndpointWithSecret]:
    """Have events delivered to a URL."""
    body = {"url": url, "event_types": list(event_types), "description": description}
    return Call("POST", "/v1/webhook-endpoints", body=body)


def endpoints(*, limit: int = 100) -> Call[Page[Endpoint]]:
    """The own webhook endpoints, newest first."""
    return Call("GET", "/v1/webhook-endpoints", {"limit": limit})


def delete_endpoint(endpoint_id: str) -> Call[None]:
    """Deliver nothing there any more."""
    return Call("DELETE", f"/v1/webhook-endpoints/{endpoint_id}")


def deliveries(
    endpoint_id: str, *, status: str | None = None, limit: int = 100
) -> Call[Page[Delivery]]:
    """Deliveries to an endpoint, newest first; ``failed`` are the dead letters."""
    path = f"/v1/webhook-endpoints/{endpoint_id}/deliveries"
    return Call("GET", path, _said(limit=limit, status=status))


def _movement(
    kind: str, wallet_id: str, what: tuple[int, str, str | None], key: str
) -> Call[Movement]:
    amount, currency, reference = what
    body = {"amount": amount, "currency": currency, "reference": reference}
    return Call("POST", f"/v1/wallets/{wallet_id}/{kind}", body=body, key=key or new_key())


def _said(**query: str | int | None) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}
