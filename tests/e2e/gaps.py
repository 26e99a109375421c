"""Transfers held between two legs, for whatever a test does to them there."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.e2e.bank import Bank, Json, Person

# the step that is held up, and where that leaves the transfer: the last first, since a rule
# that holds an earlier step would hold the later ones' transfers there as well
GAPS = [
    ("refund", "refunding"),
    ("post", "credited"),
    ("credit", "debited"),
    ("debit", "initiated"),
]
AMOUNT = 100


@dataclass(frozen=True)
class Held:
    """Alice's transfer to Bob, between two legs."""

    step: str
    state: str
    alice: Person
    bob: Person
    sent: Json

    @property
    def id(self) -> str:
        return str(self.sent["id"])

    @property
    def goes_home(self) -> bool:
        """Whether the money is on its way back."""
        return self.step == "refund"


async def held_before(
    bank: Bank, operator: Person, step: str, state: str
) -> tuple[Person, Person, Json]:
    """Alice, Bob and a transfer of 100 that stands in ``state`` until the rehearsal ends."""
    held = await _held(bank, operator, step, state, also=())
    return held.alice, held.bob, held.sent


async def held_in_every_gap(bank: Bank, operator: Person) -> list[Held]:
    """A transfer in each gap there is, all at the same time, until the rehearsal ends."""
    every: list[Held] = []
    for step, state in GAPS:
        also = [held.step for held in every]
        every.append(await _held(bank, operator, step, state, also=also))
    return every


async def stand_there(bank: Bank, every: list[Held]) -> None:
    """Each is still between the same two legs."""
    for held in every:
        between = await bank.transfer(held.alice, held.id)
        assert between["status"] == held.state, held


async def go_on(bank: Bank, operator: Person, every: list[Held]) -> None:
    """End the rehearsal; who parked meanwhile need not wait for the minute to be over."""
    await bank.end_rehearsal(operator)
    for held in every:
        if (await bank.transfer(held.alice, held.id))["needs_attention"]:
            answer = await bank.verb(operator, held.id, "retry")
            assert answer.status_code in (200, 409), answer.text  # it went on by itself


async def _held(bank: Bank, operator: Person, step: str, state: str, also: Sequence[str]) -> Held:
    alice, bob = await bank.funded(AMOUNT), await bank.person("bob")
    rules = [{"step": one, "failure_type": "error", "failure_rate": 1} for one in (step, *also)]
    if step == "refund":
        rules.append({"step": "credit", "failure_type": "reject", "failure_rate": 1})
    await bank.rehearse(operator, *rules)
    sent = await bank.send(alice, bob, AMOUNT)
    return Held(step, state, alice, bob, await bank.until(alice, sent["id"], state))
