"""What one wallet may do at one point in time: the sequential model that histories are held to."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Standing:
    """A wallet at one moment: ``balance`` in minor units, and whether it is frozen."""

    balance: int = 0
    frozen: bool = False


class Needs(StrEnum):
    """In which state of the wallet an effect can happen."""

    ACTIVE = "active"
    FROZEN = "frozen"
    EITHER = "either"


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that happens to a wallet at one point, and what it shows of the wallet.

    ``change`` in minor units. ``leaves`` is the balance that was seen after it; ``short_of`` an
    amount that was not there; ``freezes`` what it makes of the wallet. None: nothing of the kind.
    """

    change: int = 0
    needs: Needs = Needs.EITHER
    leaves: int | None = None
    short_of: int | None = None
    freezes: bool | None = None

    @property
    def only_adds(self) -> bool:
        """Whether it shows nothing of the balance but that there was enough."""
        return self.leaves is None and self.short_of is None and self.freezes is None

    def after(self, before: Standing) -> Standing | None:
        """The wallet after it; None when it could not happen then."""
        if self.needs is not Needs.EITHER and before.frozen is not (self.needs is Needs.FROZEN):
            return None
        if self.short_of is not None and before.balance >= self.short_of:
            return None
        balance = before.balance + self.change
        if balance < 0 or self.leaves not in (None, balance):
            return None
        return Standing(balance, before.frozen if self.freezes is None else self.freezes)


@dataclass(frozen=True, slots=True)
class Step:
    """What one operation did to one wallet: its effects, in their order, between two moments.

    ``ended`` None: nobody knows the outcome, so that it may still happen, in part or not at all.
    Times in seconds of one clock.
    """

    name: str
    invoked: float
    ended: float | None
    effects: tuple[Effect, ...]


def debit(amount: int) -> Effect:
    return Effect(-amount, Needs.ACTIVE)


def credit(amount: int) -> Effect:
    return Effect(amount, Needs.ACTIVE)


def refund(amount: int) -> Effect:
    """It lands on a frozen wallet as well."""
    return Effect(amount)


def moved(change: int, balance_after: int | None) -> Effect:
    """A deposit or a withdrawal, which says what it left."""
    return Effect(change, Needs.ACTIVE, leaves=balance_after)


def lacking(amount: int) -> Effect:
    return Effect(needs=Needs.ACTIVE, short_of=amount)


def found_frozen() -> Effect:
    return Effect(needs=Needs.FROZEN)


def read(balance: int, *, frozen: bool) -> Effect:
    return Effect(needs=Needs.FROZEN if frozen else Needs.ACTIVE, leaves=balance)


def freeze() -> Effect:
    return Effect(freezes=True)


def unfreeze() -> Effect:
    return Effect(freezes=False)
