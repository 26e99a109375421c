"""The HTTP door, assembled from finished parts: nothing here opens or closes anything."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI

from api import health
from api.codec import CodecOrigin, codec_router
from api.handlers import install_handlers
from api.metering import Metering
from api.middleware import BodyLimit, RequestContext
from api.openapi import DESCRIPTION, TAGS, TITLE, install_openapi
from api.parts import Parts
from api.streams import Streams
from api.tracing import traced
from api.v1 import (
    auth,
    batches,
    events,
    movements,
    repairs,
    simulation,
    transfers,
    users,
    wallets,
    webhooks,
)
from payflow.auth.admission import Admission
from payflow.auth.keys import load_keys
from payflow.auth.sessions import Sessions
from payflow.auth.tokens import AccessTokens
from payflow.domain.ports import Probe, Sagas
from payflow.domain.webhook_ports import Couriers
from payflow.settings import Settings
from payflow.storage.factory import Storage
from payflow.webhooks.guard import Guard
from payflow.webhooks.sealing import load_sealer
from payflow.webhooks.subscriptions import Subscriptions, WebhookParts
from temporal.codec import codec_of


def create_app(
    settings: Settings,
    *,
    storage: Storage,
    sagas: Sagas,
    couriers: Couriers,
    probes: Sequence[Probe],
) -> FastAPI:
    """The app over these parts.

    Raises:
        KeysUnusable: the signing keys, given or in the data folder, cannot sign.
        SealUnusable: the webhooks' keys cannot seal.
    """
    app = FastAPI(
        title=TITLE,
        version=_version(),
        description=DESCRIPTION,
        openapi_tags=TAGS,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=traced(settings),
    )
    app.state.parts = _parts(settings, storage, sagas, couriers, probes)
    # routes are tried in this order, about 3 µs each: what is called most comes first
    for resource in (
        *(transfers, repairs, movements, wallets, batches, events),
        *(auth, users, webhooks, health),
    ):
        app.include_router(resource.router)
    app.include_router(webhooks.deliveries)
    _open_codec(app, settings)
    if settings.rehearsal_allowed:
        app.include_router(simulation.router)
    install_handlers(app)
    install_openapi(app)
    app.add_middleware(
        BodyLimit,
        max_bytes=settings.max_body_bytes,
        by_path={batches.PATH: settings.max_batch_bytes},
    )
    app.add_middleware(Metering, observer=storage.observer)
    app.add_middleware(RequestContext)
    return app


def _open_codec(app: FastAPI, settings: Settings) -> None:
    """The codec's calls, where there are keys; to the UI's pages, where one is named."""
    codec = codec_of(settings)
    if codec is None:
        return
    app.include_router(codec_router(codec))
    if settings.codec_origin:
        app.add_middleware(CodecOrigin, origin=settings.codec_origin)


def _version() -> str:
    try:
        return version("payflow")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0+checkout"


def _parts(
    settings: Settings,
    storage: Storage,
    sagas: Sagas,
    couriers: Couriers,
    probes: Sequence[Probe],
) -> Parts:
    tokens = AccessTokens(load_keys(settings), settings, storage.clock)
    return Parts(
        accounts=storage.accounts,
        admission=Admission(tokens, storage.accounts, storage.clock),
        audit=storage.audit,
        batches=storage.batches,
        feed=storage.feed,
        observer=storage.observer,
        owners_move_money=settings.rehearsal_allowed,
        probes=probes,
        rehearsal=storage.rehearsal,
        sagas=sagas,
        sessions=Sessions(
            storage.accounts, storage.refresh_tokens, tokens, storage.clock, settings
        ),
        streams=Streams(
            storage.feed,
            storage.news,
            at_most=settings.streams_max,
            heartbeat_s=settings.streams_heartbeat_s,
            life_s=settings.access_token_ttl_s,
        ),
        subscriptions=_subscriptions(settings, storage, couriers),
        transfers=storage.transfers,
        wallets=storage.wallets,
    )


def _subscriptions(settings: Settings, storage: Storage, couriers: Couriers) -> Subscriptions:
    parts = WebhookParts(
        endpoints=storage.endpoints,
        records=storage.delivery_records,
        couriers=couriers,
        feed=storage.feed,
        clock=storage.clock,
    )
    guard = Guard(allow_private=settings.webhook_allow_private)
    return Subscriptions(parts, guard, load_sealer(settings), settings)
