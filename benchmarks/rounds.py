"""Turns: every contender once a round, in an order that changes from round to round."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from statistics import fmean
from typing import Protocol, TypeVar

T = TypeVar("T")
# Of each to a round, where less than a turn's noise is looked for: the machine's mood changes
# within one turn that is as long as they are together.
SHORT_TURNS = 4


async def by_turns(
    contenders: Mapping[str, Callable[[], Awaitable[T]]], rounds: int
) -> dict[str, list[T]]:
    """What each contender came to in each round, by name.

    Nobody always runs first, nor always after the same rival: the order rotates.
    """
    names = list(contenders)
    results: dict[str, list[T]] = {name: [] for name in names}
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            results[name].append(await contenders[name]())
    return results


async def by_short_turns(
    contenders: Mapping[str, Callable[[], Awaitable[T]]], rounds: int
) -> dict[str, list[list[T]]]:
    """What each contender came to in each round's ``SHORT_TURNS`` turns, by name."""
    found = await by_turns(contenders, rounds * SHORT_TURNS)
    return {
        name: [turns[begin : begin + SHORT_TURNS] for begin in range(0, len(turns), SHORT_TURNS)]
        for name, turns in found.items()
    }


class Rated(Protocol):
    """A turn that has a rate."""

    @property
    def per_second(self) -> float:
        """What a second of it did."""
        ...


def rates_of(rounds: Mapping[str, Sequence[Sequence[Rated]]]) -> dict[str, list[float]]:
    """What a second of each round's turns did, by contender."""
    return {
        name: [fmean(turn.per_second for turn in turns) for turns in found]
        for name, found in rounds.items()
    }
