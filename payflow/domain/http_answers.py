"""What we make of the headers of other servers' answers: ``Retry-After``, and cookies."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy

_LONGEST = 64  # characters; the longest of the three forms of a date has 33
_DIGITS = 10  # 300 years; more of them say nothing else


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """The seconds from ``now`` that ``Retry-After`` asks for (RFC 9110 §10.2.3).

    None if it cannot be understood. A time that has passed is 0 s. A date without a time zone is
    in UTC.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        number = text.lstrip("0")
        return float(number[:_DIGITS] or 0) if len(number) <= _DIGITS else 10.0**_DIGITS
    if len(text) > _LONGEST:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):  # what the standard library raises
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((aware - now).total_seconds(), 0.0)


def no_cookies() -> CookieJar:
    """A jar that keeps none, for clients of servers that are not ours.

    A cookie is sent with later requests, also to other hosts of its domain. One that is not ASCII
    makes each of those requests raise.
    """
    return CookieJar(DefaultCookiePolicy(allowed_domains=()))
