"""Money is an integer in the currency's minor unit, and a wrong amount cannot be built."""

from dataclasses import dataclass

from iso4217 import Currency

MAX_AMOUNT_MINOR = 10**15  # one transfer; 10 trillion in a currency of two decimals
MAX_BALANCE_MINOR = 9 * 10**15  # below 2^53: exact in every JSON reader

_EXPONENTS: dict[str, int | None] = {currency.code: currency.exponent for currency in Currency}


@dataclass(frozen=True, slots=True)
class Money:
    """An amount to move: 1 to 10^15 minor units of an ISO 4217 currency.

    Raises:
        ValueError: the amount is no integer in that range, or the currency is unknown.
    """

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.amount_minor) is not int:  # bool is an int, and no amount
            raise ValueError(f"amount must be an integer, not {type(self.amount_minor).__name__}")
        if not 1 <= self.amount_minor <= MAX_AMOUNT_MINOR:
            raise ValueError(f"amount must be between 1 and {MAX_AMOUNT_MINOR}")
        if not is_currency(self.currency):
            raise ValueError(f"{self.currency!r} is not an ISO 4217 currency code")

    def __str__(self) -> str:
        return format_minor(self.amount_minor, self.currency)


def is_currency(code: str) -> bool:
    """Whether ISO 4217 lists this alphabetic code with a minor unit (funds like XAU have none)."""
    return _EXPONENTS.get(code) is not None


def exponent(code: str) -> int:
    """How many decimals the currency's minor unit has: 2 for USD, 0 for JPY, 3 for KWD."""
    digits = _EXPONENTS[code]
    if digits is None:
        raise ValueError(f"{code} has no minor unit")
    return digits


def format_minor(amount_minor: int, currency: str) -> str:
    """A sum as people write it: ``12.50 USD``. For eyes only; no code reads it back."""
    digits = exponent(currency)
    whole, fraction = divmod(abs(amount_minor), 10**digits)
    sign = "-" if amount_minor < 0 else ""
    decimals = f".{fraction:0{digits}d}" if digits else ""
    return f"{sign}{whole:,}{decimals} {currency}"
