"""Whether the all-in-one process stays small."""

import asyncio
from contextlib import suppress
from time import monotonic

from benchmarks import svg
from benchmarks.figures import Mark, Row
from benchmarks.ground import Ground
from benchmarks.options import SOAK_TRANSFERS
from benchmarks.orders import spread
from benchmarks.outcome import Chart, Outcome
from benchmarks.processes import resident_mib

LOOK_EVERY_S = 1.0
FOR_EVER_S = 86_400.0  # the number of transfers ends it
MIB_TO_MB = 1.048576


class _Watch:
    """Looks at the process once a second while it is under load."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._begun = monotonic()
        self.points: list[tuple[float, float]] = []

    def look(self) -> float:
        """The resident memory now, in MB."""
        now_mb = resident_mib(self._pid) * MIB_TO_MB
        self.points.append((monotonic() - self._begun, now_mb))
        return now_mb

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_EVERY_S)


async def measure(ground: Ground) -> Outcome:
    """Resident memory at half of the transfers and at all of them."""
    wanted = ground.options.transfers
    watch = _Watch(ground.stack.pid("serve"))
    watching = asyncio.create_task(watch.run())
    begun_mb = watch.look()
    half_mb = await _half(ground, watch, wanted // 2)
    end_mb = await _half(ground, watch, wanted - wanted // 2)
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    short = "" if wanted >= SOAK_TRANSFERS else f"after {wanted:,} of {SOAK_TRANSFERS:,}"
    title = f"Resident memory of the serve process over {wanted:,} transfers"
    return Outcome(
        rows=_rows(wanted, (begun_mb, half_mb, end_mb), short),
        charts=[Chart("memory", title, svg.lines(title, "seconds", "MB", {"serve": watch.points}))],
        raw={"memory": {"seconds_and_mb": watch.points, "transfers": wanted}},
    )


async def _half(ground: Ground, watch: _Watch, transfers: int) -> float:
    await ground.do(spread(ground.town, ground.options.callers), FOR_EVER_S, limit=transfers)
    return watch.look()


def _rows(wanted: int, megabytes: tuple[float, float, float], short: str) -> list[Row]:
    begun, half, end = megabytes
    return [
        Row(
            "memory",
            f"resident memory of the all-in-one process after {wanted:,} transfers",
            (end,),
            Mark(350, 250, more_is_better=False),
            f"{begun:.0f} MB before them, {half:.0f} MB after half",
            unit="MB",
            short=short,
        ),
        Row(
            "memory_growth",
            "its growth over the second half",
            ((end / half - 1) * 100,),
            Mark(5, 0, more_is_better=False),
            f"{half:.1f} MB, then {end:.1f} MB",
            unit="%",
            short=short,
        ),
    ]
