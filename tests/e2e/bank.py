"""A client that a crash cannot confuse: it repeats what was not answered, under the same key."""

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Self

import httpx

from cli.ports import TRUST_NOBODY
from cli.stack import EmbeddedStack

Json = dict[str, Any]

TERMINAL = ("completed", "failed")
PASSWORD = "correct horse battery"
_numbers = count()


@dataclass
class Person:
    """Somebody who is signed in."""

    user_id: str
    token: str
    wallet_id: str = ""

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@dataclass
class Bank:
    """The APIs of one stack, asked in turn."""

    urls: Sequence[str]
    client: httpx.AsyncClient = field(
        default_factory=lambda: httpx.AsyncClient(
            timeout=40,
            trust_env=False,
            verify=TRUST_NOBODY,
            limits=httpx.Limits(max_connections=300),
        )
    )
    turn: Iterator[int] = field(default_factory=count)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        who: Person | None = None,
        *,
        body: Json | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """One request to the next API, answered or raised."""
        url = self.urls[next(self.turn) % len(self.urls)]
        sent = {**(who.headers if who else {}), **(headers or {})}
        return await self.client.request(method, f"{url}{path}", json=body, headers=sent)

    async def insist(
        self, method: str, path: str, who: Person, *, body: Json, key: str, prefer: str = ""
    ) -> httpx.Response:
        """Ask until there is an answer that is no 5xx: what a careful client does."""
        headers = {"Idempotency-Key": key} | ({"Prefer": prefer} if prefer else {})
        async with asyncio.timeout(90):
            while True:
                try:
                    answer = await self.ask(method, path, who, body=body, headers=headers)
                except httpx.HTTPError:
                    answer = None
                if answer is not None and answer.status_code < 500:
                    return answer
                await asyncio.sleep(0.1)

    async def person(self, name: str = "alice") -> Person:
        """A new user with an empty wallet."""
        body = {"email": new_email(name), "password": PASSWORD, "name": name.title()}
        answer = await self.ask("POST", "/v1/auth/register", body=body)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        return Person(made["user"]["id"], made["tokens"]["access_token"], made["wallet"]["id"])

    async def funded(self, amount: int, name: str = "alice") -> Person:
        """A new user whose wallet holds ``amount``."""
        who = await self.person(name)
        await self.deposit(who, amount)
        return who

    async def deposit(self, who: Person, amount: int) -> None:
        """Money from the world into the person's wallet."""
        answer = await self.insist(
            "POST",
            f"/v1/wallets/{who.wallet_id}/deposits",
            who,
            body={"amount": amount, "currency": "USD"},
            key=new_key(),
        )
        assert answer.status_code == 201, answer.text

    async def send(
        self, payer: Person, payee: Person, amount: int, *, key: str = "", wait_s: int = 0
    ) -> Json:
        """A transfer, accepted at last, whatever died meanwhile."""
        answer = await self.insist(
            "POST",
            "/v1/transfers",
            payer,
            body=order(payer, payee, amount),
            key=key or new_key(),
            prefer=f"wait={wait_s}" if wait_s else "",
        )
        assert answer.status_code in (201, 202), answer.text
        made: Json = answer.json()
        return made

    async def transfer(self, who: Person, transfer_id: str) -> Json:
        """The transfer as it stands, from an API that answers."""
        async with asyncio.timeout(60):
            while True:
                try:
                    answer = await self.ask("GET", f"/v1/transfers/{transfer_id}", who)
                    if answer.status_code == 200:
                        found: Json = answer.json()
                        return found
                    assert answer.status_code >= 500, answer.text
                except httpx.HTTPError:
                    pass
                await asyncio.sleep(0.1)

    async def first_proof(self) -> Json:
        """The last proof, as soon as there is one."""
        async with asyncio.timeout(60):
            while (answer := await self.ask("GET", "/v1/proof")).status_code == 503:
                await asyncio.sleep(0.2)
        proof: Json = answer.json()
        return proof

    async def until(
        self, who: Person, transfer_id: str, *states: str, within_s: float = 60
    ) -> Json:
        """The transfer once it is in one of the states."""
        async with asyncio.timeout(within_s):
            while (found := await self.transfer(who, transfer_id))["status"] not in states:
                await asyncio.sleep(0.05)
        return found

    async def ended(self, who: Person, transfer_id: str, within_s: float = 60) -> Json:
        """The transfer once it is terminal."""
        return await self.until(who, transfer_id, *TERMINAL, within_s=within_s)

    async def balance(self, who: Person) -> int:
        """What the person's wallet holds."""
        answer = await self.ask("GET", f"/v1/wallets/{who.wallet_id}", who)
        return int(answer.json()["balance"])

    async def kinds(self, who: Person) -> list[str]:
        """The kinds of the wallet's entries, oldest first."""
        answer = await self.ask("GET", f"/v1/wallets/{who.wallet_id}/entries?limit=100", who)
        return [entry["kind"] for entry in answer.json()["data"]][::-1]

    async def rehearse(self, operator: Person, *rules: Json) -> None:
        """Put these fault rules in force, in every process."""
        body = {"enabled": True, "rules": list(rules)}
        answer = await self.ask("PUT", "/v1/simulation", operator, body=body)
        assert answer.status_code == 200, answer.text

    async def end_rehearsal(self, operator: Person) -> None:
        """Take all fault rules away."""
        answer = await self.ask("DELETE", "/v1/simulation", operator)
        assert answer.status_code == 204, answer.text

    async def verb(self, operator: Person, transfer_id: str, verb: str) -> httpx.Response:
        """An operator's verb on a transfer."""
        return await self.ask(
            "POST",
            f"/v1/transfers/{transfer_id}/{verb}",
            operator,
            body={"reason": "a test says so"},
        )


def bank_of(stack: EmbeddedStack) -> Bank:
    """A client of all the APIs of a stack."""
    return Bank(stack.addresses.api_urls)


def order(payer: Person, payee: Person, amount: int) -> Json:
    """The body of a transfer."""
    return {
        "source_wallet_id": payer.wallet_id,
        "destination_wallet_id": payee.wallet_id,
        "amount": amount,
        "currency": "USD",
    }


def new_key() -> str:
    """An idempotency key nobody has used."""
    return f"test-{secrets.token_hex(12)}"


def new_email(name: str) -> str:
    """An address nobody has registered."""
    return f"{name}.{next(_numbers)}.{secrets.token_hex(4)}@example.com"
