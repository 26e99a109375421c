"""Warns of a proxy that is not named: everybody behind it would share one address's limits."""

import asyncio
import time

from loguru import logger

from payflow.domain.ports import Clock
from payflow.storage.untrusted_proxies import UntrustedProxies

NOTED_AGAIN_S = 3_600.0
MAX_PEERS = 20  # a deployment has a few proxies; a private network may have many odd clients


class ProxyWarning:
    """Logs each such peer once and notes it for the doctor, once an hour."""

    def __init__(self, noted: UntrustedProxies, clock: Clock) -> None:
        self._noted = noted
        self._clock = clock
        self._again_at: dict[str, float] = {}
        self._noting: set[asyncio.Task[None]] = set()

    def warn(self, peer: str) -> None:
        """A peer of a private network says whom it forwards for, and is not trusted to."""
        again_at = self._again_at.get(peer)
        if again_at is None:
            if len(self._again_at) >= MAX_PEERS:
                return
            logger.warning(
                "{} sends X-Forwarded-For or Forwarded and is not in PAYFLOW_TRUSTED_PROXIES: "
                "all who come through it share the limits of one address",
                peer,
            )
        elif time.monotonic() < again_at:
            return
        self._again_at[peer] = time.monotonic() + NOTED_AGAIN_S
        task = asyncio.create_task(self._noted.note(peer, self._clock.now()))
        self._noting.add(task)
        task.add_done_callback(self._noting.discard)
