"""New ids and the present moment: the two things a pure rule must be given."""

from datetime import UTC, datetime, timedelta

from ulid import ULID

from payflow.domain.identifiers import Prefix

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # where the times in ids begin


class SystemClock:
    """The machine's clock, UTC, cut to the millisecond that MongoDB keeps."""

    def now(self) -> datetime:
        """The present moment."""
        now = datetime.now(UTC)  # noqa: TID251  # the one place that may ask the machine
        return now.replace(microsecond=now.microsecond // 1000 * 1000)


def new_id(prefix: Prefix, at: datetime | None = None) -> str:
    """A fresh id; its first ten characters are ``at`` (or now), so ids sort by time."""
    ulid = ULID() if at is None else ULID.from_datetime(at)
    return f"{prefix}_{ulid}"


def lowest_id(prefix: Prefix, at: datetime, *, later_ms: int = 0) -> str:
    """The least id a thing made at ``at`` can have: a time bound turned into a key bound.

    ``later_ms`` after it: ids hold times beyond the year 9999, where those of Python end.
    """
    milliseconds = (at - _EPOCH) // timedelta(milliseconds=1) + later_ms
    return f"{prefix}_{ULID.from_bytes(milliseconds.to_bytes(6) + bytes(10))}"
