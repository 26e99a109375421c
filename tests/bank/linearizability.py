"""Whether one wallet's history has an order that explains it: linearizability, decided exactly.

A history is linearizable when each operation can be given one point between its invocation and
its end at which it happens at once (Herlihy and Wing 1990). The search is the just-in-time one
of Lowe 2017 (*Testing for linearizability*): all states the wallet may be in are carried along,
and an effect is placed when an operation must have ended. Wallets are objects of their own, and
the property is local, so one wallet after the other is checked.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from tests.bank.wallet_model import Standing, Step

MOST_CONFIGURATIONS = 500_000  # some 100 MB: a history that needs more is not one of this bank

Progress = frozenset[tuple[int, int]]  # open steps by number, and how many effects of each
Configuration = tuple[Standing, Progress]


class TooWide(Exception):
    """The history leaves more open than the search can carry."""


@dataclass(frozen=True, slots=True)
class Unexplained:
    """The first step that fits no order: where the wallet could have been, and what was open."""

    step: Step
    could_be: tuple[Standing, ...]
    open: tuple[Step, ...]

    def __str__(self) -> str:
        could = ", ".join(str(one) for one in self.could_be[:5])
        still = "; ".join(str(one) for one in self.open)
        return f"{self.step} fits no order; before it: {could}; open: {still}"


def explain(steps: Sequence[Step], opening: Standing) -> Unexplained | None:
    """None when an order explains all steps of this wallet, else the first that none explains.

    Raises:
        TooWide: there are more ways than can be carried along.
    """
    configurations: set[Configuration] = {(opening, frozenset())}
    open_steps: dict[int, Step] = {}
    for number, is_end in _events(steps):
        if not is_end:
            open_steps[number] = steps[number]
            continue
        before = configurations
        configurations = _ended(number, open_steps, before)
        step = open_steps.pop(number)
        if not configurations:
            could_be = sorted({one for one, _ in before}, key=lambda one: one.balance)
            return Unexplained(step, tuple(could_be), tuple(open_steps.values()))
    return None


def _events(steps: Sequence[Step]) -> Iterator[tuple[int, bool]]:
    """Beginnings and ends by time; at the same moment beginnings first, so nothing is blamed."""
    events = [(step.invoked, False, number) for number, step in enumerate(steps)]
    events += [(s.ended, True, number) for number, s in enumerate(steps) if s.ended is not None]
    return ((number, is_end) for _, is_end, number in sorted(events))


def _ended(
    number: int, open_steps: Mapping[int, Step], before: Iterable[Configuration]
) -> set[Configuration]:
    """Every configuration in which the step has happened, and may end now."""
    found: set[Configuration] = set()
    seen = set(before)
    waiting = list(seen)
    whole = len(open_steps[number].effects)
    blind = _nobody_looks(number, open_steps)
    while waiting:
        standing, progress = waiting.pop()
        if (number, whole) in progress or not whole:
            found.add((standing, progress - {(number, whole)}))
            continue
        direct = _next_of(number, open_steps, standing, progress)
        if direct is not None and blind:
            reached = [direct]  # whoever else is open can happen after it just as well
        else:
            reached = [
                one
                for other in open_steps
                if (one := _next_of(other, open_steps, standing, progress)) is not None
            ]
        for one in reached:
            if one not in seen:
                seen.add(one)
                waiting.append(one)
        if len(seen) > MOST_CONFIGURATIONS:
            raise TooWide(f"{open_steps[number]}: {len(open_steps)} steps are open")
    return found


def _nobody_looks(number: int, open_steps: Mapping[int, Step]) -> bool:
    """Whether nothing is lost by placing the step first among the open ones.

    It and they show nothing of the balance but that there was enough. What comes in never keeps
    another from happening; what goes out does not either, if what comes in can come before it,
    which a refund that follows its own debit cannot.
    """
    own = open_steps[number].effects
    if len(own) != 1 or not own[0].only_adds:
        return False
    others = [step.effects for other, step in open_steps.items() if other != number]
    shown = any(e.leaves is not None or e.short_of is not None for one in others for e in one)
    return not shown and (own[0].change >= 0 or all(len(one) == 1 for one in others))


def _next_of(
    number: int, open_steps: Mapping[int, Step], standing: Standing, progress: Progress
) -> Configuration | None:
    """The configuration after one more effect of the step, if that can happen now."""
    done = _done(number, progress)
    effects = open_steps[number].effects
    if done == len(effects):
        return None
    after = effects[done].after(standing)
    if after is None:
        return None
    return after, (progress - {(number, done)}) | {(number, done + 1)}


def _done(number: int, progress: Set[tuple[int, int]]) -> int:
    return next((count for other, count in progress if other == number), 0)
