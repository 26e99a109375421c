"""A client of the REST API, as small as the demo needs it."""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from cli.errors import CliError

Json = dict[str, Any]

CALL_TIMEOUT_S = 40.0  # `Prefer: wait` holds an answer back for up to 30
WAIT_S = 20
END_WITHIN_S = 90.0
LOOK_EVERY_S = 0.05
TERMINAL = ("completed", "failed")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is signed in; an operator has no wallet."""

    name: str
    token: str
    wallet_id: str = ""


class Bank:
    """The API of one running stack."""

    def __init__(self, api_url: str) -> None:
        self._client = httpx.AsyncClient(base_url=api_url, timeout=CALL_TIMEOUT_S, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def register(self, name: str, email: str, password: str) -> Person:
        """A new user with a first wallet."""
        made = await self._ask(
            "POST", "/v1/auth/register", body={"name": name, "email": email, "password": password}
        )
        return Person(name, made["tokens"]["access_token"], made["wallet"]["id"])

    async def sign_in(self, name: str, email: str, password: str) -> Person:
        """A user who exists, an operator for instance."""
        tokens = await self._ask(
            "POST", "/v1/auth/login", body={"email": email, "password": password}
        )
        return Person(name, tokens["access_token"])

    async def wallet(self, owner: Person) -> Json:
        """The owner's wallet, with its balance."""
        return await self._ask("GET", f"/v1/wallets/{owner.wallet_id}", owner)

    async def deposit(self, owner: Person, amount: int, currency: str) -> Json:
        """Money from the world into the owner's wallet."""
        body = {"amount": amount, "currency": currency}
        path = f"/v1/wallets/{owner.wallet_id}/deposits"
        return await self._ask("POST", path, owner, body=body, headers=_new_key())

    async def send(
        self, payer: Person, payee: Person, amount: int, currency: str, *, wait: bool = True
    ) -> Json:
        """A transfer; with ``wait`` as it stands when it has ended."""
        body = {
            "source_wallet_id": payer.wallet_id,
            "destination_wallet_id": payee.wallet_id,
            "amount": amount,
            "currency": currency,
        }
        headers = _new_key() | ({"Prefer": f"wait={WAIT_S}"} if wait else {})
        return await self._ask("POST", "/v1/transfers", payer, body=body, headers=headers)

    async def watch(self, payer: Person, transfer: Json, *until: str) -> Json:
        """The transfer as soon as its status is one of ``until``.

        Raises:
            CliError: it has not got there in a minute and a half.
        """
        try:
            async with asyncio.timeout(END_WITHIN_S):
                while transfer["status"] not in until:
                    await asyncio.sleep(LOOK_EVERY_S)
                    transfer = await self._ask("GET", f"/v1/transfers/{transfer['id']}", payer)
        except TimeoutError:
            raise CliError(f"{transfer['id']} is still {transfer['status']}.") from None
        return transfer

    async def entries(self, owner: Person) -> list[Json]:
        """The owner's ledger entries, oldest first."""
        path = f"/v1/wallets/{owner.wallet_id}/entries?limit=100"
        newest_first: list[Json] = (await self._ask("GET", path, owner))["data"]
        return newest_first[::-1]

    async def timeline(self, viewer: Person, transfer: Json) -> Json:
        """What was done to a transfer, in order."""
        return await self._ask("GET", f"/v1/transfers/{transfer['id']}/timeline", viewer)

    async def subscribe(self, owner: Person, url: str, *event_types: str) -> Json:
        """A webhook endpoint of the owner's, with its secret."""
        body = {"url": url, "event_types": event_types or ["*"]}
        return await self._ask("POST", "/v1/webhook-endpoints", owner, body=body)

    async def rehearse(self, operator: Person, step: str, failure_type: str) -> None:
        """Make the step of every transfer fail in that way, always, until ``end_rehearsal``."""
        rule = {"step": step, "failure_type": failure_type, "failure_rate": 1}
        await self._ask("PUT", "/v1/simulation", operator, body={"enabled": True, "rules": [rule]})

    async def end_rehearsal(self, operator: Person) -> None:
        """Take all fault rules away."""
        await self._ask("DELETE", "/v1/simulation", operator)

    async def _ask(
        self,
        method: str,
        path: str,
        who: Person | None = None,
        *,
        body: Json | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Json:
        known = {"Authorization": f"Bearer {who.token}"} if who else {}
        answer = await self._client.request(
            method, path, json=body, headers={**known, **(headers or {})}
        )
        if answer.is_error:
            raise CliError(f"{method} {path} answered {answer.status_code}: {answer.text}")
        value: Json = answer.json() if answer.content else {}
        return value


def _new_key() -> dict[str, str]:
    return {"Idempotency-Key": f"demo-{secrets.token_hex(8)}"}
