"""Transfers held between two legs, for whatever a test does to them there."""

from tests.e2e.bank import Bank, Json, Person

# the step that is held up, and where that leaves the transfer
GAPS = [
    ("debit", "initiated"),
    ("credit", "debited"),
    ("post", "credited"),
    ("refund", "refunding"),
]


async def held_before(
    bank: Bank, operator: Person, step: str, state: str
) -> tuple[Person, Person, Json]:
    """Alice, Bob and a transfer of 100 that stands in ``state`` until the rehearsal ends."""
    alice, bob = await bank.funded(100), await bank.person("bob")
    rules = [{"step": step, "failure_type": "error", "failure_rate": 1}]
    if step == "refund":
        rules.append({"step": "credit", "failure_type": "reject", "failure_rate": 1})
    await bank.rehearse(operator, *rules)
    sent = await bank.send(alice, bob, 100)
    return alice, bob, await bank.until(alice, sent["id"], state)
