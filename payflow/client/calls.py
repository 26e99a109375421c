"""The calls of the API: what is sent, and the type of what is answered."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from payflow.client.answers import (
    Batch,
    BatchItem,
    Delivery,
    Endpoint,
    EndpointWithSecret,
    Entry,
    Event,
    Finding,
    Movement,
    Page,
    Proof,
    Receipt,
    Registration,
    Tokens,
    Transfer,
    User,
    Wallet,
)
from payflow.client.call import Call, new_key, path_of


def register(*, email: str, password: str, name: str) -> Call[Registration]:
    """Make a user with a first wallet."""
    body = {"email": email, "password": password, "name": name}
    return Call("POST", "/v1/auth/register", body=body, answer=Registration)


def login(email: str, password: str) -> Call[Tokens]:
    """Begin a session."""
    body = {"email": email, "password": password}
    return Call("POST", "/v1/auth/login", body=body, harmless=True, answer=Tokens)


def refresh(refresh_token: str) -> Call[Tokens]:
    """Spend a refresh token; not repeatable: a spent one that comes again ends the session."""
    return Call("POST", "/v1/auth/refresh", body={"refresh_token": refresh_token}, answer=Tokens)


def me() -> Call[User]:
    """The user who is signed in."""
    return Call("GET", "/v1/auth/me", answer=User)


def open_wallet(currency: str, *, name: str | None = None) -> Call[Wallet]:
    """Open an empty wallet."""
    return Call("POST", "/v1/wallets", body={"currency": currency, "name": name}, answer=Wallet)


def wallet(wallet_id: str) -> Call[Wallet]:
    """A wallet."""
    return Call("GET", path_of("/v1/wallets/{}", wallet_id=wallet_id), answer=Wallet)


def wallets(*, limit: int = 100) -> Call[Page[Wallet]]:
    """The own wallets, newest first."""
    return Call("GET", "/v1/wallets", {"limit": limit}, answer=Page[Wallet])


def entries(wallet_id: str, *, limit: int = 100) -> Call[Page[Entry]]:
    """A wallet's ledger entries, newest first."""
    return Call(
        "GET",
        path_of("/v1/wallets/{}/entries", wallet_id=wallet_id),
        {"limit": limit},
        answer=Page[Entry],
    )


def deposit(
    wallet_id: str,
    amount: int,
    currency: str,
    *,
    reference: str | None = None,
    key: str | None = None,
) -> Call[Movement]:
    """Bring money in: for operators, in dev and test for owners too."""
    return _movement("deposits", wallet_id, (amount, currency, reference), key)


def withdraw(
    wallet_id: str,
    amount: int,
    currency: str,
    *,
    reference: str | None = None,
    key: str | None = None,
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
    key: str | None = None,
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
        "metadata": {} if metadata is None else metadata,
    }
    return Call("POST", "/v1/transfers", body=body, key=_key(key), wait_s=wait_s, answer=Transfer)


def transfer(transfer_id: str) -> Call[Transfer]:
    """A transfer."""
    return Call("GET", path_of("/v1/transfers/{}", transfer_id=transfer_id), answer=Transfer)


def transfers(
    *, status: str | None = None, wallet_id: str | None = None, limit: int = 100
) -> Call[Page[Transfer]]:
    """The transfers one is a party of, newest first."""
    return Call(
        "GET",
        "/v1/transfers",
        _said(limit=limit, status=status, wallet_id=wallet_id),
        answer=Page[Transfer],
    )


def receipt(transfer_id: str) -> Call[Receipt]:
    """An ended transfer's signed receipt; ``inclusion`` is None until its period is sealed."""
    return Call("GET", path_of("/v1/transfers/{}/receipt", transfer_id=transfer_id), answer=Receipt)


def make_batch(
    transfers: Sequence[Mapping[str, Any]],
    *,
    mode: Literal["independent", "stop_on_error", "atomic"] = "independent",
    key: str | None = None,
) -> Call[Batch]:
    """Up to 10,000 transfers in one call; each is the fields of ``make_transfer``."""
    body = {"mode": mode, "transfers": list(transfers)}
    return Call("POST", "/v1/batches", body=body, key=_key(key), answer=Batch)


def batch(batch_id: str) -> Call[Batch]:
    """A batch."""
    return Call("GET", path_of("/v1/batches/{}", batch_id=batch_id), answer=Batch)


def batch_items(batch_id: str, *, limit: int = 100) -> Call[Page[BatchItem]]:
    """The items of a batch, in the order in which they were sent."""
    return Call(
        "GET",
        path_of("/v1/batches/{}/items", batch_id=batch_id),
        {"limit": limit},
        answer=Page[BatchItem],
    )


def events(*, after: int = 0, types: Sequence[str] = (), limit: int = 100) -> Call[Page[Event]]:
    """What has happened, oldest first, after a position."""
    query = {"after": after, "type": list(types), "limit": limit}
    return Call("GET", "/v1/events", query, page_by="after", answer=Page[Event])


def make_endpoint(
    url: str, event_types: Sequence[str] = ("*",), *, description: str | None = None
) -> Call[EndpointWithSecret]:
    """Have events delivered to a URL."""
    body = {"url": url, "event_types": list(event_types), "description": description}
    return Call("POST", "/v1/webhook-endpoints", body=body, answer=EndpointWithSecret)


def endpoints(*, limit: int = 100) -> Call[Page[Endpoint]]:
    """The own webhook endpoints, newest first."""
    return Call("GET", "/v1/webhook-endpoints", {"limit": limit}, answer=Page[Endpoint])


def delete_endpoint(endpoint_id: str) -> Call[None]:
    """Deliver nothing there any more."""
    return Call("DELETE", path_of("/v1/webhook-endpoints/{}", endpoint_id=endpoint_id))


def deliveries(
    endpoint_id: str, *, status: str | None = None, limit: int = 100
) -> Call[Page[Delivery]]:
    """Deliveries to an endpoint, newest first; ``failed`` are the dead letters."""
    path = path_of("/v1/webhook-endpoints/{}/deliveries", endpoint_id=endpoint_id)
    return Call("GET", path, _said(limit=limit, status=status), answer=Page[Delivery])


def proof() -> Call[Proof]:
    """The last signed proof; 503 ``proof_stale`` when no pass has followed it for long."""
    return Call("GET", "/v1/proof")


def findings(
    *, status: Literal["open", "closed"] | None = None, limit: int = 100
) -> Call[Page[Finding]]:
    """What the proof has found, newest first: for operators."""
    return Call("GET", "/v1/proof/findings", _said(limit=limit, status=status))


def close_finding(finding_id: str, *, reason: str) -> Call[Finding]:
    """Close a finding that is understood and put right: for operators."""
    return Call("POST", f"/v1/proof/findings/{finding_id}/close", body={"reason": reason})


def _movement(
    kind: str, wallet_id: str, what: tuple[int, str, str | None], key: str | None
) -> Call[Movement]:
    amount, currency, reference = what
    body = {"amount": amount, "currency": currency, "reference": reference}
    path = path_of("/v1/wallets/{}/" + kind, wallet_id=wallet_id)
    return Call("POST", path, body=body, key=_key(key), answer=Movement)


def _key(given: str | None) -> str:
    return new_key() if given is None else given


def _said(**query: str | int | None) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}
