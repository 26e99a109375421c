"""Proxies as the doctor sees them: which are trusted, and which come without being named."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from redis.asyncio import Redis

from cli.doctor.rows import Row, green, lasting, yellow
from payflow.domain.ports import Clock
from payflow.settings import Settings
from payflow.storage.untrusted_proxies import UntrustedProxies

_FIX = "name its network in PAYFLOW_TRUSTED_PROXIES: docs/deployment.md#behind-a-proxy"


async def proxy_rows(redis: Redis, settings: Settings, clock: Clock) -> Sequence[Row]:
    """Which proxies are trusted, and whether another one forwards requests."""
    noted = await UntrustedProxies(redis, settings.mongo_database).noted()
    return [proxy_row(settings.trusted_proxies, noted, clock.now())]


def proxy_row(trusted: str, noted: Mapping[str, datetime], now: datetime) -> Row:
    """Yellow while a peer that is not trusted says whom it forwards for."""
    said = f"trusted: {trusted or 'none'}"
    if not noted:
        return green("proxies", said)
    peers = ", ".join(
        f"{peer} ({lasting((now - at).total_seconds())} ago)" for peer, at in sorted(noted.items())
    )
    return yellow("proxies", f"{said}; X-Forwarded-For came from {peers}: not believed", _FIX)
