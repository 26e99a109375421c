"""Webhook endpoints and their deliveries, each its owner's."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import JSONResponse, Response

from api.account_limits import ENDPOINT_CHANGES, REPLAYS, RESENDS, TEST_EVENTS
from api.dependencies import Limited, Viewer
from api.json_body import JsonRoute
from api.pages import id_after, page_object
from api.parts import Ask
from api.problems import BODY, USER, documented
from api.v1.answers import ListAnswer, answer
from api.v1.fields import DeliveryId, EndpointId
from api.v1.schemas import PageQuery
from api.v1.webhook_schemas import (
    DeliveryAnswer,
    DeliveryQuery,
    EndpointAnswer,
    EndpointChange,
    EndpointSecretAnswer,
    NewEndpoint,
    NewSecret,
    ReplayAnswer,
    ReplayOrder,
    replay_object,
)
from payflow.domain.identifiers import Prefix
from payflow.domain.webhooks import delivery_object, endpoint_object

router = APIRouter(prefix="/v1/webhook-endpoints", tags=["webhooks"], route_class=JsonRoute)
deliveries = APIRouter(prefix="/v1/webhook-deliveries", tags=["webhooks"])

_FOUND = (*USER, "webhook_endpoint_not_found")
_URL = ("webhook_url_invalid", "webhook_url_forbidden", "webhook_event_type_unknown")


@router.post(
    "",
    status_code=201,
    response_model=EndpointSecretAnswer,
    dependencies=[Depends(Limited(ENDPOINT_CHANGES))],
    summary="Make a webhook endpoint",
    responses=documented(
        *USER, *BODY, *_URL, "webhook_secret_invalid", "webhook_endpoint_limit_reached"
    ),
)
async def make_endpoint(body: NewEndpoint, viewer: Viewer, ask: Ask) -> JSONResponse:
    """Have events delivered to a URL. The secret that signs them is shown in this answer only."""
    endpoint, secret = await ask.subscriptions.create(viewer, body.subscription())
    headers = {"Location": f"/v1/webhook-endpoints/{endpoint.id}"}
    return answer({**endpoint_object(endpoint), "secret": secret}, 201, headers)


@router.get(
    "",
    response_model=ListAnswer[EndpointAnswer],
    summary="List webhook endpoints",
    responses=documented(*USER, "validation_error", "cursor_invalid"),
)
async def list_endpoints(
    query: Annotated[PageQuery, Query()], viewer: Viewer, ask: Ask
) -> JSONResponse:
    """The caller's own endpoints, newest first."""
    after = id_after(query.cursor, Prefix.ENDPOINT)
    page = await ask.subscriptions.list(viewer, limit=query.limit, after=after)
    return answer(page_object(page, endpoint_object))


@router.get(
    "/{endpoint_id}",
    response_model=EndpointAnswer,
    summary="Read a webhook endpoint",
    responses=documented(*_FOUND),
)
async def read_endpoint(endpoint_id: EndpointId, viewer: Viewer, ask: Ask) -> JSONResponse:
    """An endpoint of the caller's; an operator reads any."""
    return answer(endpoint_object(await ask.subscriptions.get(endpoint_id, viewer)))


@router.patch(
    "/{endpoint_id}",
    response_model=EndpointAnswer,
    dependencies=[Depends(Limited(ENDPOINT_CHANGES))],
    summary="Change a webhook endpoint",
    responses=documented(*_FOUND, *BODY, *_URL),
)
async def change_endpoint(
    endpoint_id: EndpointId, body: EndpointChange, viewer: Viewer, ask: Ask
) -> JSONResponse:
    """Change what is sent; pause (events are kept) and enable, a disabled endpoint as well."""
    changed = await ask.subscriptions.change(endpoint_id, viewer, body.changes())
    return answer(endpoint_object(changed))


@router.delete(
    "/{endpoint_id}",
    status_code=204,
    dependencies=[Depends(Limited(ENDPOINT_CHANGES))],
    summary="Delete a webhook endpoint",
    responses=documented(*_FOUND),
)
async def delete_endpoint(endpoint_id: EndpointId, viewer: Viewer, ask: Ask) -> Response:
    """Deliver nothing any more; what the endpoint still waits for is cancelled."""
    await ask.subscriptions.remove(endpoint_id, viewer)
    return Response(status_code=204)


@router.post(
    "/{endpoint_id}/rotate-secret",
    response_model=EndpointSecretAnswer,
    dependencies=[Depends(Limited(ENDPOINT_CHANGES))],
    summary="Rotate a signing secret",
    responses=documented(*_FOUND, *BODY, "webhook_secret_invalid"),
)
async def rotate_secret(
    endpoint_id: EndpointId, viewer: Viewer, ask: Ask, body: NewSecret | None = None
) -> JSONResponse:
    """Sign with a new secret, shown in this answer only, and for a day with the old one too."""
    secret = body.secret if body else None
    endpoint, fresh = await ask.subscriptions.rotate(endpoint_id, viewer, secret)
    return answer({**endpoint_object(endpoint), "secret": fresh})


@router.post(
    "/{endpoint_id}/test",
    status_code=202,
    response_model=DeliveryAnswer,
    dependencies=[Depends(Limited(TEST_EVENTS))],
    summary="Send a test event",
    responses=documented(*_FOUND, "webhook_endpoint_not_enabled"),
)
async def send_test(endpoint_id: EndpointId, viewer: Viewer, ask: Ask) -> JSONResponse:
    """Deliver an `endpoint.test` event to this endpoint alone, whatever it subscribes to."""
    delivery = await ask.subscriptions.test(endpoint_id, viewer)
    return answer(delivery_object(delivery), 202)


@router.get(
    "/{endpoint_id}/deliveries",
    response_model=ListAnswer[DeliveryAnswer],
    summary="List an endpoint's deliveries",
    responses=documented(*_FOUND, "validation_error", "cursor_invalid"),
)
async def list_deliveries(
    endpoint_id: EndpointId, query: Annotated[DeliveryQuery, Query()], viewer: Viewer, ask: Ask
) -> JSONResponse:
    """Deliveries with every attempt, newest first; `status=failed` lists the dead letters."""
    after = id_after(query.cursor, Prefix.DELIVERY)
    page = await ask.subscriptions.deliveries(
        endpoint_id, viewer, query.status, limit=query.limit, after=after
    )
    return answer(page_object(page, delivery_object))


@router.post(
    "/{endpoint_id}/replay",
    status_code=202,
    response_model=ReplayAnswer,
    dependencies=[Depends(Limited(REPLAYS))],
    summary="Replay what was missed",
    responses=documented(*_FOUND, *BODY, "webhook_endpoint_not_enabled"),
)
async def replay(
    endpoint_id: EndpointId, body: ReplayOrder, viewer: Viewer, ask: Ask
) -> JSONResponse:
    """Send again what has happened since and was never acknowledged, up to 1,000 in a call.

    While `next_since` is not null there may be more: call again with it as `since`.
    """
    made = await ask.subscriptions.replay(endpoint_id, viewer, body.since)
    return answer(replay_object(endpoint_id, made), 202)


@deliveries.post(
    "/{delivery_id}/resend",
    status_code=202,
    response_model=DeliveryAnswer,
    dependencies=[Depends(Limited(RESENDS))],
    summary="Resend a delivery",
    responses=documented(*_FOUND, "webhook_delivery_not_found", "webhook_endpoint_not_enabled"),
)
async def resend(delivery_id: DeliveryId, viewer: Viewer, ask: Ask) -> JSONResponse:
    """Send it again now, whatever became of it; when that fails it is tried anew as often."""
    delivery = await ask.subscriptions.resend(delivery_id, viewer)
    return answer(delivery_object(delivery), 202)
