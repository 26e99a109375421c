"""What it costs to be watched: logs, metrics that are scraped, and traces."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median

import httpx

from benchmarks.figures import Mark, Row, ratios
from benchmarks.ground import Ground
from benchmarks.orders import spread
from benchmarks.outcome import Outcome
from benchmarks.rounds import by_short_turns, rates_of
from benchmarks.turns import Turn, cpu_line, metered
from cli.ports import LOOPBACK

WATCHED, UNWATCHED = "watched", "unwatched"
MARK = Mark(0.9, 0.95)
SCRAPE_EVERY_S = 5.0  # three times as often as Prometheus does by default


class _Swallow(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Take what is exported, and forget it."""
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def swallowing() -> Iterator[str]:
    """The address of a collector of traces that keeps none of them."""
    with ThreadingHTTPServer((LOOPBACK, 0), _Swallow) as server:
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        yield f"http://{LOOPBACK}:{server.server_port}"
        server.shutdown()
        serving.join()


def watched_environment(collector: str) -> dict[str, str]:
    """Everything on, as it is by default once a collector is named."""
    return {"PAYFLOW_LOG_LEVEL": "INFO", "PAYFLOW_OTLP_ENDPOINT": collector}


async def measure(watched: Ground, unwatched: Ground) -> Outcome:
    """Transfers a second with everything on, beside a stack that says nothing of itself."""
    grounds = {WATCHED: watched, UNWATCHED: unwatched}
    for ground in grounds.values():
        await ground.warm_up()
    async with _scraped(watched):
        rounds = await by_short_turns(
            {name: _paying(ground) for name, ground in grounds.items()}, watched.options.rounds
        )
    rates = rates_of(rounds)
    row = Row(
        "observability",
        "logs, metrics and traces (the default share) ÷ none of them, transfers/s, "
        f"{watched.options.callers} callers",
        ratios(rates[WATCHED], rates[UNWATCHED]),
        MARK,
        f"{median(rates[WATCHED]):.1f}/s against {median(rates[UNWATCHED]):.1f}/s",
    )
    lines = [
        cpu_line(f"PayFlow, {name}", [turn for turns in found for turn in turns])
        for name, found in rounds.items()
    ]
    return Outcome([row], cpu=lines, raw={"observability": {"per_second": rates}})


def _paying(ground: Ground) -> Callable[[], Awaitable[Turn]]:
    orders = spread(ground.town, ground.options.callers)
    return lambda: metered(ground, ground.turn(orders), this="collector of traces")


@asynccontextmanager
async def _scraped(ground: Ground) -> AsyncIterator[None]:
    """Read the pages again and again, as Prometheus does."""

    async def again() -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            while True:
                for url in ground.stack.metrics_urls.values():
                    await client.get(url)
                await asyncio.sleep(SCRAPE_EVERY_S)

    scraping = asyncio.create_task(again())
    try:
        yield
    finally:
        scraping.cancel()
        with suppress(asyncio.CancelledError):
            await scraping
