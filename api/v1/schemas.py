"""What requests carry: pydantic models that turn themselves into the domain's words."""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from api.v1 import examples
from api.v1.fields import (
    Amount,
    AnyId,
    Body,
    Currency,
    Description,
    Email,
    Metadata,
    Moment,
    Name,
    NewPassword,
    Password,
    Phone,
    Position,
    Reason,
    Reference,
    Token,
)
from payflow.auth.sessions import ChangeOfPassword, SignUp
from payflow.domain.batches import MAX_ITEMS, BatchMode
from payflow.domain.events import EventType
from payflow.domain.ledger import Leg
from payflow.domain.money import Money
from payflow.domain.movements import MovementKind
from payflow.domain.ports import MovementOrder, TransferFilter, TransferOrder
from payflow.domain.simulation import FaultPhase, FaultRule, FaultType, Simulation
from payflow.domain.transfers import TransferStatus

OperatorsReason = Annotated[
    Reason | None, Field(description="Why an operator does this; kept in the audit log.")
]
EventTypes = Annotated[
    list[EventType],
    Field(max_length=len(EventType), description="Only events of these types. Default: all."),
]


def _example(*values: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": list(values)})


class Registration(Body):
    """A new user."""

    model_config = _example(examples.SIGN_UP)

    email: Email
    password: NewPassword
    name: Name
    phone: Phone | None = None

    def sign_up(self) -> SignUp:
        """The registration in the domain's words."""
        return SignUp(self.email, self.password, self.name, self.phone)


class Login(Body):
    """Somebody signs in."""

    model_config = _example(examples.LOGIN)

    email: Email
    password: Password


class RefreshTokenBody(Body):
    """A refresh token, to be spent or to end its session."""

    model_config = _example({"refresh_token": examples.REFRESH_TOKEN})

    refresh_token: Token


class ProfileChange(Body):
    """What a user changes of their profile; what is left out stays."""

    model_config = _example({"name": "Alice Example", "phone": None})

    name: Name = ""
    phone: Phone | None = None

    def changes(self) -> dict[str, str | None]:
        """The fields that were sent."""
        return self.model_dump(exclude_unset=True)


class PasswordChange(Body):
    """A new password, and the one so far."""

    model_config = _example(
        {"current_password": "correct horse battery", "new_password": "staple that horse"}
    )

    current_password: Password
    new_password: NewPassword

    def change(self, address: str) -> ChangeOfPassword:
        """The domain's word for it, asked for from that address."""
        return ChangeOfPassword(self.current_password, self.new_password, address)


class NewWallet(Body):
    """A wallet to open."""

    model_config = _example({"currency": "EUR", "name": "Holidays"})

    currency: Currency
    name: Name | None = None


class NewMovement(Body):
    """Money to bring in or take out."""

    model_config = _example(examples.MOVEMENT)

    amount: Amount
    currency: Currency
    reference: Reference | None = None
    reason: OperatorsReason = None

    def order(self, kind: MovementKind, wallet_id: str) -> MovementOrder:
        """The movement in the domain's words."""
        return MovementOrder(kind, wallet_id, Money(self.amount, self.currency), self.reference)


class NewTransfer(Body):
    """A transfer to accept; the payee is named by a wallet or by an email address."""

    model_config = _example(examples.TRANSFER, examples.TRANSFER_BY_EMAIL)

    source_wallet_id: AnyId
    destination_wallet_id: AnyId | None = None
    destination_email: Email | None = None
    amount: Amount
    currency: Currency
    description: Description | None = None
    metadata: Metadata = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_destination(self) -> Self:
        if (self.destination_wallet_id is None) == (self.destination_email is None):
            raise PydanticCustomError(
                "one_destination",
                "give either destination_wallet_id or destination_email",
                {"field": "destination_wallet_id"},
            )
        return self

    def order(self, payer_id: str, request_id: str) -> TransferOrder:
        """The transfer in the domain's words."""
        return TransferOrder(
            payer_id=payer_id,
            source_wallet_id=self.source_wallet_id,
            money=Money(self.amount, self.currency),
            destination_wallet_id=self.destination_wallet_id,
            destination_email=self.destination_email,
            description=self.description,
            metadata=dict(self.metadata),
            request_id=request_id,
        )


class NewBatch(Body):
    """Transfers to accept together; an item has no idempotency key of its own."""

    model_config = _example(examples.BATCH)

    mode: BatchMode
    transfers: Annotated[list[NewTransfer], Field(min_length=1, max_length=MAX_ITEMS)]


class OperatorReason(Body):
    """Why an operator does this."""

    model_config = _example(examples.REASON)

    reason: Reason


class OptionalReason(Body):
    """Why an operator does this, where it need not be said."""

    model_config = _example(examples.REASON)

    reason: OperatorsReason = None


class Rule(Body):
    """One fault rule; without `transfer_ids` it concerns every transfer."""

    step: Leg
    failure_type: FaultType
    failure_rate: Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
    phase: FaultPhase = FaultPhase.BEFORE
    transfer_ids: Annotated[list[AnyId], Field(max_length=1_000)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        self.rule()
        return self

    def rule(self) -> FaultRule:
        """The rule in the domain's words, or ValueError."""
        return FaultRule(
            step=self.step,
            failure_type=self.failure_type,
            failure_rate=self.failure_rate,
            phase=self.phase,
            transfer_ids=tuple(self.transfer_ids),
        )


class Rules(Body):
    """The fault rules to be in force from now on."""

    model_config = _example(examples.SIMULATION)

    enabled: Annotated[bool, Field(strict=True)]
    rules: Annotated[list[Rule], Field(max_length=100)]
    reason: OperatorsReason = None

    def simulation(self) -> Simulation:
        """The rules in the domain's words."""
        return Simulation(self.enabled, tuple(rule.rule() for rule in self.rules))


class PageQuery(Body):
    """Which page of a list."""

    limit: int = Field(20, ge=1, le=100, description="How many things at most.")
    cursor: str | None = Field(
        None, max_length=200, description="`next_cursor` of the page before this one."
    )


class TransferQuery(PageQuery):
    """Which transfers, and which page of them."""

    status: TransferStatus | None = Field(None, description="Only those that stand so.")
    wallet_id: AnyId | None = Field(None, description="Source or destination.")
    created_after: Moment | None = Field(None, description="Accepted after this moment.")
    created_before: Moment | None = Field(None, description="Accepted before this moment.")
    needs_attention: bool | None = Field(None, description="`true`: those that are parked.")

    def wanted(self) -> TransferFilter:
        """The filter in the domain's words."""
        return TransferFilter(
            status=self.status,
            wallet_id=self.wallet_id,
            created_after=self.created_after,
            created_before=self.created_before,
            needs_attention=self.needs_attention,
        )


class EventQuery(Body):
    """Which events, and from where on."""

    after: Position = Field(
        0, description="A position, such as `next_cursor` of the page before this one."
    )
    type: EventTypes = Field(default_factory=list)
    limit: int = Field(20, ge=1, le=100, description="How many events at most.")


class StreamQuery(Body):
    """Which events a stream is about, and from where on."""

    after: Position | None = Field(
        None, description="Begin after this position instead of with what happens next."
    )
    type: EventTypes = Field(default_factory=list)


class UserQuery(Body):
    """Which user."""

    email: Email = Field(description="The address the user registered with.")
