"""What is wrong with a history: money that was made or lost, and answers that fit no order."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from tests.bank.history import History, Kind, Operation, Outcome
from tests.bank.linearizability import explain
from tests.bank.wallet_model import (
    Effect,
    Standing,
    Step,
    credit,
    debit,
    found_frozen,
    freeze,
    lacking,
    moved,
    read,
    refund,
    unfreeze,
)

MOVEMENTS = {Kind.DEPOSIT: 1, Kind.WITHDRAWAL: -1}


def faults_in(history: History) -> Sequence[str]:
    """Everything that is wrong with it, in words; nothing when it is a bank's."""
    return [*not_conserved(history), *not_linearizable(history), *unended(history)]


def unended(history: History) -> Iterator[str]:
    """Transfers that never came to an end: money that is still on its way is not checked."""
    for one in history.of(Kind.TRANSFER):
        if one.outcome is not Outcome.OK:
            yield f"{one.name} has not ended"


def not_conserved(history: History) -> Iterator[str]:
    """Snapshots whose sums differ, or hold what was never brought in."""
    opened = sum(history.opening.values())
    for seen in history.of(Kind.SNAPSHOT):
        if seen.outcome is not Outcome.OK:
            continue
        balances, found = seen.found["balances"], seen.found
        held = sum(balances.values()) + found["in_transit"]
        if held != found["from_world"]:
            yield (
                f"{seen.name}: {sum(balances.values())} in wallets and {found['in_transit']} in "
                f"transit, but {found['from_world']} came from the world"
            )
        if negative := {wallet for wallet, balance in balances.items() if balance < 0}:
            yield f"{seen.name}: below zero: {negative}"
        least, most = _bounds(history, seen)
        if not least <= found["from_world"] - opened <= most:
            yield (
                f"{seen.name}: {found['from_world'] - opened} since the opening, where clients "
                f"brought between {least} and {most}"
            )


def _bounds(history: History, seen: Operation) -> tuple[int, int]:
    """What clients may have brought in, less what they took, by the time of the snapshot."""
    least = most = 0
    for one in history.of(*MOVEMENTS):
        if one.outcome is Outcome.OK and "balance_after" not in one.found:
            continue  # refused
        change = MOVEMENTS[one.kind] * one.asked["amount"]
        certain = one.ended is not None and one.outcome is Outcome.OK and one.ended < seen.invoked
        possible = seen.ended is None or one.invoked <= seen.ended
        least += change if certain or (possible and change < 0) else 0
        most += change if certain or (possible and change > 0) else 0
    return least, most


def not_linearizable(history: History) -> Iterator[str]:
    """Wallets whose answers fit no order."""
    for wallet, steps in sorted(steps_of(history).items()):
        unexplained = explain(steps, Standing(history.opening[wallet]))
        if unexplained is not None:
            yield f"wallet {wallet}: {unexplained}"


def steps_of(history: History) -> dict[str, list[Step]]:
    """What the operations did to each wallet, and what they saw of it."""
    steps: defaultdict[str, list[Step]] = defaultdict(list)
    for one in history.operations:
        for wallet, effects in _effects(one):
            ended = one.ended if one.outcome is Outcome.OK else None
            steps[wallet].append(Step(one.name, one.invoked, ended, tuple(effects)))
    return dict(steps)


def _effects(one: Operation) -> Iterator[tuple[str, list[Effect]]]:
    if one.kind is Kind.TRANSFER:
        yield from _of_transfer(one)
    elif one.kind in MOVEMENTS:
        yield one.asked["wallet"], [_of_movement(one)]
    elif one.kind in (Kind.FREEZE, Kind.UNFREEZE):
        yield one.asked["wallet"], [freeze() if one.kind is Kind.FREEZE else unfreeze()]
    elif one.kind is Kind.READ and one.outcome is Outcome.OK:
        yield one.asked["wallet"], [read(one.found["balance"], frozen=one.found["frozen"])]
    elif one.kind is Kind.SNAPSHOT and one.outcome is Outcome.OK:
        for wallet, balance in one.found["balances"].items():
            yield wallet, [read(balance, frozen=wallet in one.found["frozen"])]


def _of_transfer(one: Operation) -> Iterator[tuple[str, list[Effect]]]:
    source, destination, amount = one.asked["source"], one.asked["destination"], one.asked["amount"]
    code = one.found.get("code")
    if code == "insufficient_funds":
        yield source, [lacking(amount)]
    elif code == "wallet_frozen":
        yield source, [found_frozen()]
    elif code == "destination_unavailable":
        yield source, [debit(amount), refund(amount)]
        yield destination, [found_frozen()]
    elif code is None:
        yield source, [debit(amount)]
        yield destination, [credit(amount)]
    else:
        raise ValueError(f"{one.name}: {code} is no outcome of this bank")


def _of_movement(one: Operation) -> Effect:
    code, amount = one.found.get("code"), one.asked["amount"]
    if code == "insufficient_funds":
        return lacking(amount)
    if code == "wallet_frozen":
        return found_frozen()
    return moved(MOVEMENTS[one.kind] * amount, one.found.get("balance_after"))
