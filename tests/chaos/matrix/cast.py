"""Who plays in a run: transfers and batches of every shape, and how each must end."""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from payflow.domain.crash_points import INIT, ITEMS, CrashPoint
from payflow.domain.ledger import Leg
from tests.chaos.matrix.orders import Hold, Step
from tests.chaos.matrix.plan import AMID_STEP, Point, Run, Shape
from tests.e2e.bank import Bank, Json, Person, new_key

CLOSE = "close_batch"
LARGEST = 400
NEXT = {Leg.DEBIT: Leg.CREDIT, Leg.CREDIT: Leg.POST}


@dataclass(frozen=True)
class End:
    """How a transfer must end: its state, and its steps with their outcomes."""

    status: str
    steps: frozenset[str]
    code: str | None = None
    refunded: bool = False


def _end(status: str, *steps: str, code: str | None = None, refunded: bool = False) -> End:
    return End(status, frozenset(steps), code, refunded)


COMPLETED = _end("completed", "debit:applied", "credit:applied", "post:applied")
REFUSED = _end("failed", "debit:refused", code="insufficient_funds")
COMPENSATED = _end(
    "failed",
    *("debit:applied", "credit:refused", "refund:applied"),
    code="destination_unavailable",
    refunded=True,
)
STOPPED = _end("failed", "debit:voided", code="batch_stopped")


@dataclass(frozen=True)
class Item:
    """One transfer asked for, how it must end, and what its wallets must hold then."""

    body: Json
    end: End
    balances: dict[str, int]


@dataclass
class Player:
    """A transfer or a batch of the run, and where it is to stand as the fault strikes."""

    shape: Shape
    items: list[Item]
    point: CrashPoint
    step: str
    gathers: str  # the step before which it waits for the others
    mode: str = ""  # of a batch
    key: str = field(default_factory=new_key)
    id: str = ""
    seconds: float | None = None  # from the fault to its end

    @property
    def stands(self) -> Hold:
        """Where it stands as the fault strikes; a new one goes by its key."""
        return self.point, self.step, self.key if self.step == INIT else self.id

    @property
    def waits(self) -> Hold:
        """Where it waits until all are there."""
        return CrashPoint.BEFORE_STEP, self.gathers, self.id

    @property
    def asked(self) -> Step:
        """The step that the fault disturbs."""
        return self.step, self.stands[2]

    @property
    def path(self) -> str:
        """Where it is asked for."""
        return "/v1/batches" if self.mode else "/v1/transfers"

    @property
    def body(self) -> Json:
        """What is asked for."""
        if not self.mode:
            return self.items[0].body
        return {"mode": self.mode, "transfers": [item.body for item in self.items]}


@dataclass
class Cast:
    """Alice pays, Bob is paid; each item has wallets of its own, so that it can be judged."""

    bank: Bank
    alice: Person
    bob: Person
    operator: Person

    @classmethod
    async def of(cls, bank: Bank, operator: Person) -> "Cast":
        """The people."""
        return cls(bank, await bank.person("alice"), await bank.person("bob"), operator)

    async def item(self, end: End, drawn: random.Random) -> Item:
        """A transfer that must end like this."""
        amount = drawn.randint(1, LARGEST)
        source = await self._wallet(self.alice)
        destination = await self._wallet(self.bob)
        if end is COMPENSATED:
            await self._freeze(destination)
        if end is not REFUSED:
            await self.bank.deposit(Person("", self.alice.token, source), amount)
        balances = {source: 0, destination: amount}
        if end is not COMPLETED:
            balances = {source: 0 if end is REFUSED else amount, destination: 0}
        body = {
            "source_wallet_id": source,
            "destination_wallet_id": destination,
            "amount": amount,
            "currency": "USD",
        }
        return Item(body, end, balances)

    async def players(self, run: Run, drawn: random.Random) -> list[Player]:
        """All that are asked for in the run; the parked one is there already."""
        made = [self._player(shape, way, drawn) for shape, way in _ways(run)]
        if Shape.BATCH in run.shapes():
            made.append(self._batch(run.point, drawn))
        return list(await asyncio.gather(*made))

    async def _player(self, shape: Shape, way: "Way", drawn: random.Random) -> Player:
        end = {Shape.REFUSED: REFUSED, Shape.COMPENSATED: COMPENSATED}.get(shape, COMPLETED)
        return Player(shape, [await self.item(end, drawn)], *way)

    async def _batch(self, point: Point, drawn: random.Random) -> Player:
        mode = drawn.choice(["independent", "stop_on_error", "atomic"])
        ends = {
            "independent": [COMPLETED, REFUSED, COMPENSATED, COMPLETED],
            "stop_on_error": [COMPLETED, REFUSED, STOPPED],
            "atomic": [COMPLETED] * 3,
        }
        items = [await self.item(end, drawn) for end in ends[mode]]
        return Player(Shape.BATCH, items, *_batch_way(point), mode=mode)

    async def _freeze(self, wallet_id: str) -> None:
        path = f"/v1/wallets/{wallet_id}/freeze"
        answer = await self.bank.ask("POST", path, self.operator)
        assert answer.status_code == 200, answer.text

    async def _wallet(self, owner: Person) -> str:
        answer = await self.bank.ask("POST", "/v1/wallets", owner, body={"currency": "USD"})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])


Way = tuple[CrashPoint, str, str]  # where it stands, at which step, and where it gathers


def way_of_parked(point: Point, step: Leg) -> Way:
    """Where a transfer stands that is parked at the step."""
    if point is Point.BETWEEN_STEPS:
        return CrashPoint.BETWEEN_STEPS, NEXT[step], step
    if point is Point.IN_COMPENSATION:
        return CrashPoint.INSIDE_TRANSACTION, step, step
    return CrashPoint(point), step, step


def _ways(run: Run) -> Iterator[tuple[Shape, Way]]:
    """A transfer for each step at which its shape can stand at the point."""
    point, shapes = run.point, run.shapes()
    steps: dict[Shape, list[Leg]] = {
        Shape.COMPLETED: [Leg.DEBIT, Leg.CREDIT, Leg.POST],
        Shape.REFUSED: [Leg.DEBIT],
        Shape.COMPENSATED: [Leg.DEBIT, Leg.CREDIT],
    }
    for shape, of_shape in steps.items():
        if shape not in shapes:
            continue
        if point is Point.ACCEPTED:
            yield shape, (CrashPoint.BEFORE_ACKNOWLEDGEMENT, INIT, "")
        elif point is Point.BETWEEN_STEPS:
            follows = Leg.REFUND if shape is Shape.COMPENSATED else Leg.POST
            yield shape, (CrashPoint.BETWEEN_STEPS, Leg.CREDIT, Leg.DEBIT)
            yield shape, (CrashPoint.BETWEEN_STEPS, follows, Leg.CREDIT)
        elif point is Point.IN_COMPENSATION:
            for where in AMID_STEP:
                yield shape, (CrashPoint(where), Leg.REFUND, Leg.REFUND)
        else:
            for step in of_shape:
                yield shape, (CrashPoint(point), step, step)


def _batch_way(point: Point) -> Way:
    if point is Point.ACCEPTED:
        return CrashPoint.BEFORE_ACKNOWLEDGEMENT, INIT, ""
    if point is Point.BETWEEN_STEPS:
        return CrashPoint.BETWEEN_STEPS, CLOSE, ITEMS
    return CrashPoint(point), ITEMS, ITEMS
