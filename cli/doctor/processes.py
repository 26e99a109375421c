"""Our own processes as the doctor sees them: whether one is blocked."""

import asyncio
from collections.abc import Collection, Sequence

import httpx

from cli.doctor.rows import Row, green, red, yellow
from cli.ports import TRUST_NOBODY
from payflow.observability.names import DEPENDENCY_BLOCKED

ANSWERS_IN_S = 5.0  # a page waits 1 s for what it asks MongoDB
_BLOCKED = f'{DEPENDENCY_BLOCKED.name}{{dependency="mongo"}} 1.0'


async def process_rows(urls: Collection[str]) -> Sequence[Row]:
    """Whether reads from MongoDB hang in one of them, by their pages of metrics."""
    async with httpx.AsyncClient(
        timeout=ANSWERS_IN_S, trust_env=False, verify=TRUST_NOBODY
    ) as client:
        found = await asyncio.gather(*(_page(client, url) for url in urls))
    pages = dict(zip(urls, found, strict=True))
    blocked = [url for url, page in pages.items() if page is not None and _BLOCKED in page]
    silent = [url for url, page in pages.items() if page is None]
    return [process_row(blocked, silent, len(pages))]


def process_row(blocked: Sequence[str], silent: Sequence[str], number: int) -> Row:
    """What the pages of so many processes say."""
    if blocked:
        fix = "wait 30 s: it ends and is started again; read its log, and report what it says"
        return red("processes", f"reads from MongoDB hang in {', '.join(blocked)}", fix)
    if silent:
        fix = "wait a moment, and read its log if it stays silent"
        return yellow("processes", f"no answer from {', '.join(silent)}", fix)
    return green("processes", f"all {number} read from MongoDB")


async def _page(client: httpx.AsyncClient, url: str) -> str | None:
    try:
        answer = await client.get(url)
    except httpx.HTTPError:
        return None
    return answer.text if answer.is_success else None
