"""The sweep helps what stands still, leaves alone what moves, and shows what nobody helps."""

from dataclasses import replace

from payflow.domain.ports import Origin
from payflow.domain.transfers import Transfer, TransferStatus
from tests.fakes import START, transfer
from workers.sweep import FLAG_GRACE_S, Sweep

PARK_AFTER_S = 300


class Unfinished:
    """The part of the ``Transfers`` port that the sweep asks."""

    def __init__(self) -> None:
        self.found: dict[str, Transfer] = {}

    async def unfinished(self) -> dict[str, Transfer]:
        return dict(self.found)


class Started:
    """``Sagas`` that only note what was started."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    async def start(self, wanted: Transfer, request_id: str | None) -> None:
        self.ids.append(wanted.id)


class Flagged:
    """``Books`` that only note what was parked."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    async def park(self, transfer_id: str, while_in: TransferStatus, origin: Origin) -> None:
        self.ids.append(transfer_id)


class World:
    """A sweep and everything it touches, with a stopwatch that is moved by hand."""

    def __init__(self) -> None:
        self.transfers, self.sagas, self.books = Unfinished(), Started(), Flagged()
        self.seconds = 0.0
        self.sweep = Sweep(
            self.transfers,  # type: ignore[arg-type]  # the sweep asks one method of it
            self.books,  # type: ignore[arg-type]  # likewise
            self.sagas,  # type: ignore[arg-type]  # likewise
            park_after_s=PARK_AFTER_S,
            elapsed=lambda: self.seconds,
        )

    def hold(self, *transfers: Transfer) -> None:
        self.transfers.found = {one.id: one for one in transfers}


async def test_what_stands_still_between_two_looks_is_started() -> None:
    world = World()
    world.hold(transfer(transfer_id="trf_STILL"), transfer(transfer_id="trf_MOVES"))
    assert await world.sweep.look() == 0
    moved = transfer(transfer_id="trf_MOVES").moved(TransferStatus.DEBITED, START)
    world.hold(transfer(transfer_id="trf_STILL"), moved)
    assert await world.sweep.look() == 1
    assert world.sagas.ids == ["trf_STILL"]
    world.hold(moved)
    assert await world.sweep.look() == 1
    assert world.sagas.ids == ["trf_STILL", "trf_MOVES"]


async def test_what_is_new_or_gone_is_left_alone() -> None:
    world = World()
    world.hold(transfer(transfer_id="trf_ONE"))
    await world.sweep.look()
    world.hold(transfer(transfer_id="trf_TWO"))
    assert await world.sweep.look() == 0
    assert world.sagas.ids == []


async def test_what_nobody_helps_is_shown_to_operators() -> None:
    world = World()
    world.hold(transfer(transfer_id="trf_STILL"))
    await world.sweep.look()
    world.seconds = PARK_AFTER_S + FLAG_GRACE_S
    await world.sweep.look()
    assert world.books.ids == []
    world.seconds += 1
    await world.sweep.look()
    assert world.books.ids == ["trf_STILL"]
    world.hold(replace(transfer(transfer_id="trf_STILL"), needs_attention=True))
    await world.sweep.look()
    assert world.books.ids == ["trf_STILL"]
