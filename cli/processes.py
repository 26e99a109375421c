"""What each process runs: the API, a worker, the relay, or all three in one."""

import asyncio
import gc
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from loguru import logger
from temporalio.client import Client
from temporalio.worker import Worker

from cli.observed import observed
from cli.standstill import standstill_told
from payflow.auth.action_proofs import load_action_proofs
from payflow.auth.statements import load_statement_keys
from payflow.domain.observing import Observer
from payflow.observability.periodic import Failures
from payflow.proof.receipts import Receipts
from payflow.settings import Settings
from payflow.storage.factory import Storage, open_storage
from payflow.webhooks.sealing import load_sealer
from temporal.client import connect
from temporal.couriers import TemporalCouriers
from temporal.histories import TemporalHistories
from temporal.plain_payloads import pass_plain_payloads
from temporal.probe import TemporalProbe
from temporal.runtime import one_core_thread
from temporal.sagas import TemporalSagas
from temporal.timelines import Timelines
from temporal.wording import Links
from workers.maintenance import maintenance_worker
from workers.pickup import PickUp
from workers.relay import Relay
from workers.roots import RootSealer
from workers.running import wait_for_temporal
from workers.sealer import Sealer
from workers.sweep import Sweep
from workers.transfers import transfer_worker
from workers.webhooks import open_attempts, open_deliveries, webhook_worker

T = TypeVar("T")

START_AGAIN_S = 1.0  # a part that failed; what it needs takes as long to come back


async def run_api(settings: Settings) -> None:
    """The HTTP door alone; sagas it starts are run by workers elsewhere."""
    async with _process(settings, "api") as (storage, stop):
        sagas = await _lazy_sagas(settings, storage)
        say_ready()
        await _serve(settings, storage, sagas, stop)


async def run_worker(settings: Settings) -> None:
    """The stories and the steps."""
    async with _process(settings, "worker") as (storage, stop):
        load_statement_keys(settings)
        load_sealer(settings)
        load_action_proofs(settings)
        sagas = await _lazy_sagas(settings, storage)
        work = partial(_work, settings, storage, sagas, stop, eager=False)
        await kept_running("worker", work, stop, storage.observer)


async def run_relay(settings: Settings) -> None:
    """What keeps accepted transfers and deliveries on record moving, and tells the world."""
    async with _process(settings, "relay") as (storage, stop):
        sagas = await _lazy_sagas(settings, storage)
        say_ready()
        async with asyncio.TaskGroup() as group:
            _keep_moving(group, settings, storage, sagas, stop)


async def run_serve(settings: Settings) -> None:
    """All three in one process, so that a started saga runs without a round trip (eager start)."""
    async with _process(settings, "serve") as (storage, stop):
        sagas = await _lazy_sagas(settings, storage)
        async with asyncio.TaskGroup() as group:
            group.create_task(_serve(settings, storage, sagas, stop))
            _keep_moving(group, settings, storage, sagas, stop)
            work = partial(_work, settings, storage, sagas, stop, eager=True)
            group.create_task(kept_running("worker", work, stop, storage.observer))


def _keep_moving(
    group: asyncio.TaskGroup,
    settings: Settings,
    storage: Storage,
    sagas: TemporalSagas,
    stop: asyncio.Event,
) -> None:
    """Start what a relay's process does; no part of it ends another, or the process.

    Raises:
        KeysUnusable, SealUnusable: the keys, given or in the data folder, are of no use.
    """
    load_statement_keys(settings)
    load_sealer(settings)
    load_action_proofs(settings)
    parts: dict[str, Callable[[], Awaitable[None]]] = {
        "sweep": partial(_sweep, settings, storage, sagas, stop),
        "relay": partial(_relay, settings, storage, sagas, stop),
        "sealer": partial(_seal, storage, sagas, stop),
        "roots": partial(_seal_roots, settings, storage, stop),
    }
    for name, part in parts.items():
        group.create_task(kept_running(name, part, stop, storage.observer))


def say_ready() -> None:
    """Tell whoever started this process that it does its work (``PAYFLOW_READY_FILE``)."""
    path = os.environ.get("PAYFLOW_READY_FILE")
    if path:
        unfinished = Path(f"{path}.{os.getpid()}")
        unfinished.write_text(json.dumps({"pid": os.getpid()}))
        unfinished.replace(path)


@asynccontextmanager
async def _process(settings: Settings, role: str) -> AsyncIterator[tuple[Storage, asyncio.Event]]:
    one_core_thread()
    pass_plain_payloads()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with standstill_told():
        async with (
            observed(settings, role) as observer,
            open_storage(settings, observer) as storage,
        ):
            logger.info("{} runs as pid {}", role, os.getpid())
            watching = asyncio.create_task(storage.reads.watch(_end_blocked))
            try:
                yield storage, stop
            finally:
                watching.cancel()
        logger.info("{} stops", role)


def _end_blocked() -> None:
    """End at once: what this process still does with MongoDB would never end by itself."""
    logger.critical("reads from MongoDB hang for 30 s: this process ends, to be started again")
    os._exit(os.EX_TEMPFAIL)


async def _lazy_sagas(settings: Settings, storage: Storage) -> TemporalSagas:
    return _sagas_over(await connect(settings, lazy=True), settings, storage)


def _sagas_over(client: Client, settings: Settings, storage: Storage) -> TemporalSagas:
    return TemporalSagas(
        client,
        park_after_s=settings.park_after_s,
        proofs=load_action_proofs(settings),
        links=Links(settings.public_url.rstrip("/"), settings.runbook_url),
        now_s=lambda: storage.clock.now().timestamp(),
    )


def _transfers(
    client: Client, settings: Settings, storage: Storage, sagas: TemporalSagas
) -> Worker:
    proofs = load_action_proofs(settings)
    return transfer_worker(client, storage, sagas, proofs, in_threads=settings.crash_points)


async def _serve(
    settings: Settings, storage: Storage, sagas: TemporalSagas, stop: asyncio.Event
) -> None:
    from api.app import create_app  # noqa: PLC0415 - a worker and a relay have no HTTP door
    from api.server import serve_api  # noqa: PLC0415 - and must not wait for it

    probes = (*storage.probes, TemporalProbe(sagas))
    storage.observer.look_at(probes=probes)
    couriers = TemporalCouriers(sagas)
    app = create_app(
        settings,
        storage=storage,
        sagas=sagas,
        couriers=couriers,
        histories=TemporalHistories(sagas),
        probes=probes,
    )
    # What was made until now lives as long as the process. A full collection would go over it
    # again and again: 0.13 s each time, in which no request is answered.
    gc.collect()
    gc.freeze()
    await serve_api(app, settings, stop)
    stop.set()


async def _sweep(
    settings: Settings, storage: Storage, sagas: TemporalSagas, stop: asyncio.Event
) -> None:
    storage.observer.look_at(probes=[TemporalProbe(sagas)])
    sweep = Sweep(
        storage.transfers,
        storage.books,
        sagas,
        park_after_s=settings.park_after_s,
        observer=storage.observer,
    )
    await unless_stopped(sweep.run(settings.sweep_interval_s), stop)


async def _relay(
    settings: Settings, storage: Storage, sagas: TemporalSagas, stop: asyncio.Event
) -> None:
    """Bring events to the feed and to subscribers; the pick-up shares the subscribers' lanes."""
    couriers = TemporalCouriers(sagas)
    async with open_deliveries(settings, storage, couriers) as deliveries:
        relay = Relay(storage.relay, storage.feed, deliveries, observer=storage.observer)
        pick_up = PickUp(storage.delivery_records, deliveries, couriers, storage.observer)
        async with asyncio.TaskGroup() as group:
            group.create_task(unless_stopped(relay.run(), stop))
            group.create_task(unless_stopped(pick_up.run(), stop))


async def _seal(storage: Storage, sagas: TemporalSagas, stop: asyncio.Event) -> None:
    await unless_stopped(Sealer(_timelines(storage, sagas), storage.observer).run(), stop)


async def _seal_roots(settings: Settings, storage: Storage, stop: asyncio.Event) -> None:
    period_s, keys = settings.receipt_period_s, load_statement_keys(settings)
    receipts = Receipts(storage.receipts, keys, storage.clock, period_s=period_s)
    sealer = RootSealer(receipts, period_s=period_s, observer=storage.observer)
    await unless_stopped(sealer.run(), stop)


def _timelines(storage: Storage, sagas: TemporalSagas) -> Timelines:
    return Timelines(storage.timelines, TemporalHistories(sagas), storage.clock)


async def _work(
    settings: Settings,
    storage: Storage,
    sagas: TemporalSagas,
    stop: asyncio.Event,
    *,
    eager: bool,
) -> None:
    """Run a worker; ``eager``: the sagas this process starts go straight to it."""
    client = await unless_stopped(wait_for_temporal(settings, storage.observer), stop)
    if client is None:
        return
    async with (
        open_attempts(settings, storage, TemporalCouriers(sagas)) as attempts,
        _transfers(client, settings, storage, sagas),
        webhook_worker(client, attempts),
        maintenance_worker(client, settings, storage),
    ):
        sagas.use(client, eager=eager)
        say_ready()
        await stop.wait()


async def kept_running(
    name: str, part: Callable[[], Awaitable[None]], stop: asyncio.Event, observer: Observer
) -> None:
    """Run a part of the process until the process is told to stop; one that fails starts again."""
    failures = Failures(name, observer)
    while not stop.is_set():
        try:
            await part()
        except Exception as error:  # whatever it is, the other parts go on
            failures.note(error)
            await asyncio.sleep(START_AGAIN_S)


async def unless_stopped(work: Coroutine[Any, Any, T], stop: asyncio.Event) -> T | None:
    """What the work comes to, or None when the process is told to stop first.

    Raises:
        RuntimeError: it was cancelled by somebody else; it shall be started again, rather than
            be missing.
    """
    working = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.cancelled():
        name = getattr(work, "__qualname__", work)
        raise RuntimeError(f"{name} has ended, and nobody told it to")
    if working.done():
        return working.result()
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working
    return None
