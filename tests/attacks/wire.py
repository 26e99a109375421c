"""Attacks by connections: bodies half sent, trailers without end, and the largest batches."""

import asyncio
import json
from contextlib import suppress

import httpx
import psutil

from cli.ports import TRUST_NOBODY
from tests.attacks.scene import Scene, pause
from tests.e2e.bank import Person, new_key

CONNECTIONS = 600  # as many as one process answers at the same time
TRAILERS_MB = 40
BATCH_BYTES = 8 * 1024 * 1024 - 1_024


class HalfSentBatches:
    """One account opens 600 connections and sends the first half of a batch on each."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._opened = 0

    async def prepare(self) -> None:
        self._mallory = await self._scene.bank.person("mallory")

    async def play(self, over: asyncio.Event) -> None:
        writers: list[asyncio.StreamWriter] = []
        try:
            while not over.is_set():
                writers = [one for one in writers if not one.is_closing()]
                for _ in range(CONNECTIONS - len(writers)):
                    if over.is_set():
                        break
                    with suppress(OSError):
                        writers.append(await self._half_sent())
                    await asyncio.sleep(0.002)
                await pause(over, 0.5)
        finally:
            for writer in writers:
                writer.close()

    async def _half_sent(self) -> asyncio.StreamWriter:
        host, port = self._scene.address
        _, writer = await asyncio.open_connection(host, port)
        writer.write(
            b"POST /v1/batches HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Authorization: Bearer " + self._mallory.token.encode() + b"\r\n"
            b"Idempotency-Key: " + new_key().encode() + b"\r\nContent-Length: 4000000\r\n\r\n"
            b'{"mode": "independent", "transfers": ['
        )
        self._opened += 1
        return writer

    async def judge(self) -> None:
        assert self._opened >= CONNECTIONS


class EndlessTrailers:
    """A chunked body is followed by trailer fields without end, ``Authorization`` among them."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._sent = 0

    async def prepare(self) -> None:
        self._alice = await self._scene.bank.person("alice")

    async def play(self, over: asyncio.Event) -> None:
        while not over.is_set():
            with suppress(OSError):
                await self._flood(over)
            self._signed_in = await self._signs_in_by_trailer()
            await pause(over, 1.0)

    async def _flood(self, over: asyncio.Event) -> None:
        host, port = self._scene.address
        _, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(
                b"POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                b"Content-Type: application/json\r\n\r\n2\r\n{}\r\n0\r\n"
            )
            field = b"X-Field: " + b"x" * 4_000 + b"\r\n"
            for _ in range(TRAILERS_MB * 250):
                if over.is_set() or writer.is_closing():
                    break
                writer.write(field)
                self._sent += len(field)
                await writer.drain()
        finally:
            writer.close()

    async def _signs_in_by_trailer(self) -> bool:
        host, port = self._scene.address
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(
                b"POST /v1/wallets HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                b"Content-Type: application/json\r\n\r\n"
                b'13\r\n{"currency": "EUR"}\r\n0\r\n'
                b"Authorization: Bearer " + self._alice.token.encode() + b"\r\n\r\n"
            )
            with suppress(TimeoutError, OSError):
                async with asyncio.timeout(5):
                    return (await reader.readline()).split()[1:2] == [b"201"]
            return False
        finally:
            writer.close()

    async def judge(self) -> None:
        assert self._sent > 0
        assert not self._signed_in
        wallets = await self._scene.bank.ask("GET", "/v1/wallets", self._alice)
        assert [one["currency"] for one in wallets.json()["data"]] == ["USD"]


class LargestBatches:
    """An account without money sends batches of 8 MiB, one after the other."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.statuses: list[int] = []
        self.peak_mb = 0.0
        self.slowest_live_s = 0.0

    async def prepare(self) -> None:
        bank = self._scene.bank
        self._mallory, self._bob = await bank.person("mallory"), await bank.person("bob")
        self._process = psutil.Process(self._scene.stack.pid("api"))

    async def play(self, over: asyncio.Event) -> None:
        bodies = [_invalid_batch(self._mallory, self._bob), _large_batch(self._mallory, self._bob)]
        watching = asyncio.create_task(self._watch())
        try:
            async with httpx.AsyncClient(
                base_url=self._scene.url, timeout=60, trust_env=False, verify=TRUST_NOBODY
            ) as client:
                while not over.is_set():
                    for body in bodies:
                        headers = self._mallory.headers | {
                            "Idempotency-Key": new_key(),
                            "Content-Type": "application/json",
                        }
                        with suppress(httpx.HTTPError):
                            answer = await client.post("/v1/batches", content=body, headers=headers)
                            self.statuses.append(answer.status_code)
                    await pause(over, 0.5)
        finally:
            watching.cancel()

    async def _watch(self) -> None:
        """Sample the memory of the API process and the time of a liveness probe."""
        async with httpx.AsyncClient(trust_env=False, verify=TRUST_NOBODY, timeout=30) as client:
            while True:
                self.peak_mb = max(self.peak_mb, self._process.memory_info().rss / 1e6)
                answer = await client.get(f"{self._scene.url}/health/live")
                assert answer.status_code == 200
                self.slowest_live_s = max(self.slowest_live_s, answer.elapsed.total_seconds())
                await asyncio.sleep(0.1)

    async def judge(self) -> None:
        assert self.statuses, "no batch was answered"
        assert set(self.statuses) <= {202, 413, 422, 429, 503}, self.statuses


def _item(payer: Person, payee: Person, amount: object, note: str) -> dict[str, object]:
    return {
        "source_wallet_id": payer.wallet_id,
        "destination_wallet_id": payee.wallet_id,
        "amount": amount,
        "currency": "USD",
        "description": note,
    }


def _large_batch(payer: Person, payee: Person) -> bytes:
    """10,000 valid items, filled up to 8 MiB."""
    bare = json.dumps({"mode": "independent", "transfers": [_item(payer, payee, 1, "")] * 10_000})
    note = "x" * min(500, (BATCH_BYTES - len(bare)) // 10_000)
    items = [_item(payer, payee, 1, note)] * 10_000
    return json.dumps({"mode": "independent", "transfers": items}).encode()


def _invalid_batch(payer: Person, payee: Person) -> bytes:
    """8 MiB of the smallest items there are, each with several errors."""
    count = (BATCH_BYTES - 60) // len(b'{"amount": "x"}, ')
    items = ", ".join(['{"amount": "x"}'] * count)
    return f'{{"mode": "independent", "transfers": [{items}]}}'.encode()
