"""The fields requests are made of: what is let in, and what is refused with a 422."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from payflow.domain.credentials import (
    EMAIL_LENGTH,
    NAME_LENGTH,
    PASSWORD_LENGTHS,
    new_name,
    new_password,
    normalized_email,
    without_control,
)
from payflow.domain.money import MAX_AMOUNT_MINOR, is_currency

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # where the times in our ids begin


def _currency(code: str) -> str:
    if not is_currency(code):
        raise ValueError("must be an ISO 4217 currency code such as USD")
    return code


def _rfc3339(value: object) -> object:
    if isinstance(value, int | float) or (isinstance(value, str) and "T" not in value.upper()):
        raise ValueError("must be an RFC 3339 time such as 2026-01-31T12:00:00Z")
    return value


def _since_1970(moment: datetime) -> datetime:
    """The moment in UTC: at the ends of the calendar some have a zone and no UTC."""
    try:
        at = moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be a time of the years 1970 to 9999 in UTC") from None
    if at < _EPOCH:
        raise ValueError("must not be before 1970")
    return at


_Clean = AfterValidator(without_control)
_SHORTEST, _LONGEST = PASSWORD_LENGTHS
_CLEAN = {"pattern": r"^[^\x00-\x1f\x7f-\x9f]*$"}  # the same, for the documentation

Amount = Annotated[
    int,
    Field(
        strict=True,
        ge=1,
        le=MAX_AMOUNT_MINOR,
        description="Minor units of the currency: 1250 is 12.50 USD.",
    ),
]
Currency = Annotated[
    str,
    Field(min_length=3, max_length=3, description="ISO 4217 code of the wallet's currency."),
    AfterValidator(_currency),
]
Email = Annotated[
    str,
    Field(min_length=3, max_length=EMAIL_LENGTH, json_schema_extra={"format": "email"}),
    AfterValidator(normalized_email),
]
NewPassword = Annotated[
    str,
    Field(min_length=_SHORTEST, max_length=_LONGEST, json_schema_extra=_CLEAN),
    AfterValidator(new_password),
]
Password = Annotated[
    str, Field(min_length=1, max_length=_LONGEST, json_schema_extra=_CLEAN), _Clean
]
Name = Annotated[
    str,
    Field(min_length=1, max_length=NAME_LENGTH, json_schema_extra=_CLEAN),
    AfterValidator(new_name),
]
Phone = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$", description="E.164.")]
Reason = Annotated[
    str,
    Field(
        min_length=1,
        max_length=500,
        description="Why; kept in the audit log.",
        json_schema_extra=_CLEAN,
    ),
    _Clean,
]
Description = Annotated[str, Field(max_length=500, json_schema_extra=_CLEAN), _Clean]
Reference = Annotated[str, Field(min_length=1, max_length=200, json_schema_extra=_CLEAN), _Clean]
AnyId = Annotated[str, Field(min_length=1, max_length=64, json_schema_extra=_CLEAN), _Clean]
Token = Annotated[str, Field(min_length=1, max_length=2_048, json_schema_extra=_CLEAN), _Clean]
Metadata = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=40, json_schema_extra=_CLEAN), _Clean],
        Annotated[str, Field(max_length=500, json_schema_extra=_CLEAN), _Clean],
    ],
    Field(max_length=50, description="Up to 50 keys of 40 characters, values of 500."),
]
Position = Annotated[int, Field(ge=0, le=2**63 - 1)]
Moment = Annotated[AwareDatetime, BeforeValidator(_rfc3339), AfterValidator(_since_1970)]

WalletId = Annotated[
    str, Path(description="The wallet.", examples=["wal_01KDVE0A4Q5J7TP7S8R9VWXYZ1"])
]
TransferId = Annotated[
    str, Path(description="The transfer.", examples=["trf_01KDVE0A4Q5J7TP7S8R9VWXYZ3"])
]
BatchId = Annotated[
    str, Path(description="The batch.", examples=["bat_01KDVE0A4Q5J7TP7S8R9VWXYZ8"])
]
EndpointId = Annotated[
    str, Path(description="The webhook endpoint.", examples=["whe_01KDVE0A4Q5J7TP7S8R9VWXYZ8"])
]
DeliveryId = Annotated[
    str, Path(description="The delivery.", examples=["whd_01KDVE0A4Q5J7TP7S8R9VWXYZ9"])
]
FindingId = Annotated[
    str, Path(description="The finding.", examples=["fnd_01KDVE0A4Q5J7TP7S8R9VWXYZG"])
]
UserId = Annotated[str, Path(description="The user.", examples=["usr_01KDVE0A4Q5J7TP7S8R9VWXYZ5"])]


class Body(BaseModel):
    """A request's body or query: what it does not name is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
