"""A transfer's timeline: what was done, in order, and what happens next; as JSON or a picture."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from api.account_limits import REPORTS
from api.dependencies import Limited, Viewer
from api.parts import Ask
from api.problems import USER, documented
from api.v1 import examples
from api.v1.answers import answer
from api.v1.fields import TransferId
from payflow.domain.timeline import timeline_object
from payflow.domain.timeline_picture import picture

SVG = "image/svg+xml"
JSON = "application/json"
_VARY = {"Vary": "Accept"}

router = APIRouter(prefix="/v1/transfers", tags=["transfers"])


class TimelineRow(BaseModel):
    """One thing that happened; `actor` is who did it, where somebody did."""

    at: str
    kind: Literal["state", "attempt", "entry", "event", "delivery", "operator"]
    leg: str | None
    attempt: int | None
    outcome: str | None
    detail: str | None
    actor: str | None
    duration_ms: int | None


class TimelineNext(BaseModel):
    """What happens next, in plain words; `at` is when, if that is known."""

    what: str
    at: str | None


class TimelineAnswer(BaseModel):
    """A transfer's timeline; once `sealed` only webhook deliveries are added to it."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.TIMELINE_ANSWER]})

    object: Literal["timeline"]
    transfer_id: str
    sealed: bool
    data: list[TimelineRow]
    next: TimelineNext | None


def prefers_picture(accept: str) -> bool:
    """Whether an ``Accept`` header asks for the picture rather than for JSON (RFC 9110 §12.5.1).

    What cannot be understood asks for nothing, and JSON is what is answered then.
    """
    qualities = dict(_media_range(one) for one in accept.split(",") if one.strip())
    picture_q = qualities.get(SVG, qualities.get("image/*", 0.0))
    json_q = max(qualities.get(JSON, 0.0), qualities.get("application/*", 0.0))
    return picture_q > max(json_q, 0.0 if SVG in qualities else qualities.get("*/*", 0.0))


def _media_range(one: str) -> tuple[str, float]:
    name, *parameters = (part.strip().lower() for part in one.split(";"))
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                return name, min(max(float(value), 0.0), 1.0)
            except ValueError:
                return name, 0.0
    return name, 1.0


async def _wants_picture(request: Request) -> bool:
    return prefers_picture(",".join(request.headers.getlist("accept")))


WantsPicture = Annotated[bool, Depends(_wants_picture)]

_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {SVG: {"schema": {"type": "string"}}},
        "description": "The timeline; with `Accept: image/svg+xml`, a picture of it.",
    }
}


@router.get(
    "/{transfer_id}/timeline",
    response_model=TimelineAnswer,
    dependencies=[Depends(Limited(REPORTS))],
    summary="Read a transfer's timeline",
    responses={**_PICTURE, **documented(*USER, "transfer_not_found")},
)
async def read_timeline(
    transfer_id: TransferId, viewer: Viewer, ask: Ask, as_picture: WantsPicture
) -> Response:
    """Every state, attempt, ledger entry, event, delivery and operator's act, in order.

    Parties see that an operator acted and to what effect; who and why only operators see, and
    what errors say. `Accept: image/svg+xml` answers with a picture.
    """
    transfer = await ask.transfers.get(transfer_id, viewer)
    timeline = await ask.timelines.of(transfer, viewer)
    if as_picture:
        return Response(picture(timeline), media_type=SVG, headers=_VARY)
    return answer(timeline_object(timeline), headers=_VARY)
