"""Attacks by what is stored: metadata in the store's own language, and unreadable documents."""

import asyncio
from typing import Any

from payflow.domain.identifiers import Prefix
from payflow.storage.identity import new_id
from tests.attacks.scene import Scene, pause
from tests.e2e.bank import Person, new_key, order
from tests.webhooks.receivers import receiver

DBREF = {"$ref": "users", "$id": "usr_1", "$db": "admin"}


class MetadataInTheStoresLanguage:
    """Alice sends transfers whose metadata MongoDB's driver would read as a reference."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._answers: list[int] = []
        self._sent: list[str] = []

    async def prepare(self) -> None:
        self._alice = await self._scene.bank.funded(100_000)
        self._bob = await self._scene.bank.person("bob")

    async def play(self, over: asyncio.Event) -> None:
        while not over.is_set():
            answer = await self._scene.bank.ask(
                "POST",
                "/v1/transfers",
                self._alice,
                body=order(self._alice, self._bob, 1) | {"metadata": DBREF},
                headers={"Idempotency-Key": new_key()},
            )
            self._answers.append(answer.status_code)
            if answer.status_code in (201, 202):
                self._sent.append(answer.json()["id"])
            await pause(over, 0.2)

    async def judge(self) -> None:
        assert self._answers
        assert set(self._answers) <= {201, 202, 422}
        bank = self._scene.bank
        for transfer_id in self._sent[:3]:
            for reader in (self._alice, self._bob, self._scene.operator):
                read = await bank.ask("GET", f"/v1/transfers/{transfer_id}", reader)
                assert read.json()["metadata"] == DBREF
        for reader in (self._alice, self._bob):
            for path in ("/v1/transfers", "/v1/events", f"/v1/wallets/{reader.wallet_id}/entries"):
                listed = await bank.ask("GET", path, reader)
                assert listed.status_code == 200, (path, listed.text)


class UnreadableDocuments:
    """A transfer without its amount, and an endpoint without its URL, are in the database."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._spoilt_transfer = new_id(Prefix.TRANSFER)

    async def prepare(self) -> None:
        bank = self._scene.bank
        self._alice, self._bob = await bank.funded(100), await bank.person("bob")
        for owner in (self._alice, self._bob):
            made = await bank.ask(
                "POST",
                "/v1/webhook-endpoints",
                owner,
                body={"url": "http://127.0.0.1:9/hook", "event_types": ["*"]},
            )
            assert made.status_code == 201, made.text
            await self._scene.database.webhook_endpoints.update_one(
                {"_id": made.json()["id"]}, {"$unset": {"url": 1}}
            )

    async def play(self, over: asyncio.Event) -> None:
        sent = await self._scene.bank.send(self._alice, self._bob, 1)
        whole = await self._scene.database.transfers.find_one({"_id": sent["id"]})
        assert whole is not None
        spoilt: dict[str, Any] = {**whole, "_id": self._spoilt_transfer, "status": "initiated"}
        del spoilt["amount"]
        spoilt["completed_at"] = None
        await self._scene.database.transfers.insert_one(spoilt)
        await over.wait()

    async def judge(self) -> None:
        listed = await self._scene.bank.ask("GET", "/v1/transfers", self._alice)
        assert listed.status_code == 200, listed.text
        read = await self._scene.bank.ask(
            "GET", f"/v1/transfers/{self._spoilt_transfer}", self._alice
        )
        assert read.status_code != 200


class UnreadableAnswers:
    """A subscriber answers with a ``Retry-After`` that no parser accepts; another one is fine."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    async def prepare(self) -> None:
        self._payer = await self._scene.bank.funded(100_000)

    async def play(self, over: asyncio.Event) -> None:
        when = b"Mon, 01 Jan 2024 99999999999999999999:00:00 GMT"
        answer = b"HTTP/1.1 200 OK\r\nRetry-After: " + when + b"\r\nContent-Length: 0\r\n\r\n"

        async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(answer)
            await writer.drain()

        async with receiver(behave) as poisonous, receiver() as fine:
            self._poisonous = await self._subscribed(poisonous.url)
            self._fine = await self._subscribed(fine.url)
            sent = 0
            while not over.is_set():
                for payee in (self._poisonous, self._fine):
                    await self._scene.bank.send(self._payer, payee, 1)
                sent += 1
                await pause(over, 0.5)
            async with asyncio.timeout(30):
                while len(set(fine.ids)) < 3 * sent or len(set(poisonous.ids)) < 3 * sent:
                    await asyncio.sleep(0.1)
            await asyncio.sleep(1)
            self._tries = poisonous.tries

    async def judge(self) -> None:
        assert self._tries
        assert set(self._tries.values()) == {1}, "a 200 is a success, whatever its headers are"

    async def _subscribed(self, url: str) -> Person:
        bank = self._scene.bank
        person = await bank.person("bob")
        made = await bank.ask(
            "POST", "/v1/webhook-endpoints", person, body={"url": url, "event_types": ["*"]}
        )
        assert made.status_code == 201, made.text
        return person
