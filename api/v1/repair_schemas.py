"""What operators send with a verb, and what they are answered beside the transfer."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import JSONResponse

from api.v1.answers import answer
from api.v1.examples import TRANSFER_ID
from api.v1.fields import Body, Reason
from payflow.domain.ledger import Leg
from payflow.domain.repairs import (
    APPROVAL_LAPSES_AFTER,
    RepairAnswer,
    RepairOrder,
    Resolution,
    Resolve,
    Verb,
)

_REASON = "The customer asked for it, ticket 4711."
DryRun = Annotated[
    bool, Field(strict=True, description="Do nothing; answer with the entries it would post.")
]


class RepairBody(Body):
    """Why an operator does this, and whether to do it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": _REASON}]})

    reason: Reason
    dry_run: DryRun = False

    def order(self, verb: Verb, operator_id: str, act_id: str) -> RepairOrder:
        """The verb as it is asked of the saga."""
        return RepairOrder(verb, operator_id, self.reason, act_id, dry_run=self.dry_run)


class ResolveBody(RepairBody):
    """How a leg that cannot be decided here was decided elsewhere."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "leg": "credit",
                    "outcome": "settled_outside",
                    "evidence": "bank reference 2026-0042",
                    "reason": _REASON,
                }
            ]
        }
    )

    leg: Literal[Leg.CREDIT, Leg.REFUND]
    outcome: Resolution
    evidence: Annotated[
        Reason, Field(description="Where it can be seen; the same from both operators.")
    ]

    @model_validator(mode="after")
    def _makes_sense(self) -> "ResolveBody":
        Resolve(self.leg, self.outcome, self.evidence)
        return self

    def order(self, verb: Verb, operator_id: str, act_id: str) -> RepairOrder:
        """The verb as it is asked of the saga."""
        said = Resolve(self.leg, self.outcome, self.evidence.strip())
        return RepairOrder(verb, operator_id, self.reason, act_id, said, self.dry_run)


class PlannedPosting(BaseModel):
    """One signed side, in minor units."""

    account: str = Field(examples=["wal_01KDVE0A4Q5J7TP7S8R9VWXYZ1"])
    amount: int = Field(examples=[1250])


class PlannedEntryAnswer(BaseModel):
    """A journal entry that would be written."""

    key: str = Field(examples=["trf_01KDVE0A4Q5J7TP7S8R9VWXYZ3:refund"])
    outcome: str = Field(examples=["applied"])
    code: str | None
    postings: list[PlannedPosting]


class PreviewAnswer(BaseModel):
    """What a verb would post, as the books stand now."""

    object: Literal["preview"]
    transfer_id: str
    verb: str
    entries: list[PlannedEntryAnswer]


class ApprovalAnswer(BaseModel):
    """A resolution is proposed; nothing has moved."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "object": "approval",
                    "transfer_id": TRANSFER_ID,
                    "approval": "pending",
                    "lapses_in_s": 86_400,
                }
            ]
        }
    )

    object: Literal["approval"]
    transfer_id: str
    approval: Literal["pending"]
    lapses_in_s: int = Field(examples=[86_400])


def preview_answer(transfer_id: str, verb: Verb, said: RepairAnswer) -> JSONResponse:
    """The entries a verb would post."""
    entries: list[dict[str, Any]] = [
        {
            "key": entry.key,
            "outcome": entry.outcome,
            "code": entry.code,
            "postings": [{"account": p.account, "amount": p.amount} for p in entry.postings],
        }
        for entry in said.entries
    ]
    return answer(
        {"object": "preview", "transfer_id": transfer_id, "verb": verb.value, "entries": entries}
    )


def approval_answer(transfer_id: str) -> JSONResponse:
    """It waits for a second operator."""
    return answer(
        {
            "object": "approval",
            "transfer_id": transfer_id,
            "approval": "pending",
            "lapses_in_s": int(APPROVAL_LAPSES_AFTER.total_seconds()),
        },
        202,
    )
