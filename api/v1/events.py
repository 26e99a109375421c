"""Events: the feed by position, and live streams of it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from starlette.responses import JSONResponse, Response

from api.dependencies import SignedIn, Viewer
from api.errors import PositionInvalid
from api.event_stream import MEDIA_TYPE, EventStream, event_object, event_text, start_text
from api.parts import Ask, Parts
from api.problems import USER, documented
from api.streams import Start, Streamed, Wanted
from api.v1 import examples
from api.v1.answers import EventAnswer, ListAnswer, answer
from api.v1.fields import Position, TransferId
from api.v1.schemas import EventQuery, StreamQuery
from payflow.auth.admission import Visitor
from payflow.domain.events import TERMINAL_TYPES
from payflow.domain.users import Principal

router = APIRouter(prefix="/v1", tags=["events"])

LAST_EVENT_ID = "Last-Event-ID"

_WIRE = (start_text(4_710) + event_text(examples.EVENT_ANSWER)).decode()

LastEventId = Annotated[
    Position | None,
    Header(alias=LAST_EVENT_ID, description="Go on after this position; browsers send it."),
]
_STREAMED = (*USER, "token_revoked", "role_changed", "validation_error", "position_invalid")
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-Sent Events: `id` is the position, `event` the type, `data` the "
        "event. The first frame has an `id` and no `data`: the position the stream starts after. "
        "A comment is sent when nothing happens for a while. Lines end at LF, CR or CR LF only.",
        "content": {
            MEDIA_TYPE: {
                "schema": {"type": "string"},
                "example": _WIRE,
            }
        },
    }
}


@router.get(
    "/events",
    response_model=ListAnswer[EventAnswer],
    summary="List events",
    responses=documented(*USER, "validation_error", "position_invalid"),
)
async def list_events(
    query: Annotated[EventQuery, Query()], viewer: Viewer, ask: Ask
) -> JSONResponse:
    """The events the caller may see, oldest first, from a position on; an operator sees all.

    Positions rise, with gaps where others' events are. `after` takes any position, so the last
    one seen is where the next call goes on, also when there was no further page.
    """
    found = await ask.feed.after(
        query.after, user_id=_eyes(viewer), types=query.type, limit=query.limit + 1
    )
    if not found:
        await _check_position(ask, "after", query.after)
    page, has_more = found[: query.limit], len(found) > query.limit
    content = {
        "object": "list",
        "data": [event_object(event) for event in page],
        "has_more": has_more,
        "next_cursor": str(page[-1].position) if has_more else None,
    }
    return answer(content)


@router.get(
    "/events/stream",
    summary="Stream events",
    response_class=Response,
    responses={
        **_STREAM,
        **documented(*_STREAMED, "too_many_streams", "too_many_own_streams"),
    },
)
async def stream_events(
    query: Annotated[StreamQuery, Query()],
    visitor: SignedIn,
    ask: Ask,
    last_event_id: LastEventId = None,
) -> EventStream:
    """The events the caller may see, as they happen; an operator sees all.

    It begins after `Last-Event-ID`, else after `after`, else with what happens next; its first
    frame names that position. Whenever it ends, a client goes on by coming again with the last id
    it saw; no event is lost or doubled.
    """
    after = query.after if last_event_id is None else last_event_id
    if after is not None:
        await _check_position(ask, "after" if last_event_id is None else LAST_EVENT_ID, after)
    wanted = Wanted(user_id=_eyes(visitor.principal), types=tuple(query.type))
    return await _stream(ask.streams.events(wanted, after), visitor, ask)


@router.get(
    "/transfers/{transfer_id}/events",
    tags=["transfers"],
    summary="Stream a transfer's events",
    response_class=Response,
    responses={
        **_STREAM,
        **documented(*_STREAMED, "transfer_not_found", "too_many_streams", "too_many_own_streams"),
    },
)
async def stream_transfer_events(
    transfer_id: TransferId, visitor: SignedIn, ask: Ask, last_event_id: LastEventId = None
) -> EventStream:
    """What has happened to a transfer so far and what happens next, until it has ended.

    For its parties and operators. The payee sees what follows the debit.
    """
    viewer = visitor.principal
    await ask.transfers.get(transfer_id, viewer)
    if last_event_id is not None:
        await _check_position(ask, LAST_EVENT_ID, last_event_id)
    # from the beginning, for the end may be among what the client has seen
    events = ask.streams.events(Wanted(transfer_id=transfer_id), 0)
    return await _stream(_until_ended(events, viewer, last_event_id or 0), visitor, ask)


async def _stream(
    events: AsyncGenerator[Streamed, None], visitor: Visitor, ask: Parts
) -> EventStream:
    await ask.access_watch.check(visitor)
    return EventStream(events, ask.streams, ask.access_watch)


async def _until_ended(
    events: AsyncGenerator[Streamed, None], viewer: Principal, after: int
) -> AsyncGenerator[Streamed, None]:
    """What the viewer may see of it after a position, up to the transfer's last event."""
    async with aclosing(events):
        async for event in events:
            if event is None or isinstance(event, Start):
                yield None if event is None else Start(after)
                continue
            may_see = viewer.is_operator or viewer.user_id in event.audience
            if may_see and event.position > after:
                yield event
            if event.type in TERMINAL_TYPES:
                return


async def _check_position(ask: Parts, field: str, position: int) -> None:
    """Refuse to go on from where the feed has not come to yet."""
    if position > 0 and position > (last := await ask.feed.last_position()):
        raise PositionInvalid(field, last)


def _eyes(viewer: Principal) -> str | None:
    """Whose events to look for: an operator sees everybody's."""
    return None if viewer.is_operator else viewer.user_id
