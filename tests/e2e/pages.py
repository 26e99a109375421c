"""What the processes of a stack show on ``/metrics``, together."""

import asyncio
from collections import defaultdict

import httpx
from prometheus_client.parser import text_string_to_metric_families

from cli.ports import TRUST_NOBODY
from cli.stack import EmbeddedStack

Highest = dict[str, float]


async def read_pages(stack: EmbeddedStack) -> str:
    """Every page, one after the other."""
    async with httpx.AsyncClient(trust_env=False, timeout=10, verify=TRUST_NOBODY) as client:
        answers = await asyncio.gather(*(client.get(url) for url in stack.metrics_urls.values()))
    assert [answer.status_code for answer in answers] == [200] * len(answers)
    return "".join(answer.text for answer in answers)


def highest(*pages: str) -> Highest:
    """The highest value a sample of each name had, whatever its labels."""
    found: Highest = defaultdict(float)
    for page in pages:
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                found[sample.name] = max(found[sample.name], sample.value)
    return found
