"""The HTTP door, assembled from finished parts: nothing here opens or closes anything."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI

from api import docs_page, health, proof_page, well_known
from api.access_watch import AccessWatch
from api.account_limits import AccountLimits
from api.bounds import BodyLimit, HeadLimit
from api.client_address import ClientAddresses
from api.codec import CodecOrigin, codec_router
from api.gate import DoorQuotas, Gate
from api.handlers import install_handlers
from api.in_flight import InFlight
from api.large_bodies import LargeBodies
from api.metering import Metering
from api.middleware import RequestContext
from api.openapi import DESCRIPTION, TAGS, TITLE, install_openapi, operation_id
from api.parts import Parts
from api.proxy_warning import ProxyWarning
from api.saga_pressure import SagaPressure
from api.security_headers import SecurityHeaders, open_to_origins
from api.streams import Streams
from api.tracing import traced
from api.v1 import (
    api_keys,
    auth,
    batches,
    events,
    findings,
    movements,
    oidc,
    proof,
    receipts,
    repairs,
    simulation,
    timeline,
    transfers,
    users,
    wallets,
    webhooks,
)
from payflow.auth.admission import Admission
from payflow.auth.api_keys import KeyRing
from payflow.auth.keys import load_keys
from payflow.auth.sessions import Sessions
from payflow.auth.sign_on import SignOn
from payflow.auth.statements import load_statement_keys
from payflow.auth.tokens import AccessTokens
from payflow.domain.batches import MAX_ITEMS
from payflow.domain.ports import Probe, Sagas
from payflow.domain.timeline_ports import Histories
from payflow.domain.webhook_ports import Couriers
from payflow.proof.receipts import Receipts
from payflow.settings import Settings
from payflow.storage.door import share_of
from payflow.storage.factory import Storage
from payflow.webhooks.guard import Guard
from payflow.webhooks.sealing import load_sealer
from payflow.webhooks.subscriptions import Subscriptions, WebhookParts
from temporal.codec import codec_of
from temporal.timelines import Timelines


def create_app(
    settings: Settings,
    *,
    storage: Storage,
    sagas: Sagas,
    couriers: Couriers,
    histories: Histories,
    probes: Sequence[Probe],
) -> FastAPI:
    """The app over these parts.

    Raises:
        KeysUnusable: the signing keys, given or in the data folder, cannot sign.
        SealUnusable: the webhooks' keys cannot seal.
    """
    app = routed_app(settings)
    parts = app.state.parts = _parts(settings, storage, sagas, couriers, histories, probes)
    open_paths = _open_paths()
    app.add_middleware(
        BodyLimit,
        max_bytes=settings.max_body_bytes,
        by_path={batches.PATH: settings.max_batch_bytes},
        without=open_paths,
    )
    app.add_middleware(
        Gate,
        admission=parts.admission,
        quotas=DoorQuotas(storage.quotas, settings),
        addresses=ClientAddresses(
            settings.proxy_networks, ProxyWarning(storage.untrusted_proxies, storage.clock).warn
        ),
        open_paths=open_paths,
    )
    app.add_middleware(HeadLimit)
    app.add_middleware(
        InFlight,
        at_most=settings.max_in_flight,
        bearable_s=settings.bearable_delay_s,
        sagas=parts.saga_pressure,
        observer=storage.observer,
    )
    app.add_middleware(Metering, observer=storage.observer)
    open_to_origins(app, settings)
    app.add_middleware(RequestContext, headers=SecurityHeaders(settings))
    return app


def routed_app(settings: Settings) -> FastAPI:
    """The app without its parts: enough to describe every call, too little to answer one."""
    app = FastAPI(
        title=TITLE,
        version=_version(),
        description=DESCRIPTION,
        openapi_tags=TAGS,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        generate_unique_id_function=operation_id,
        redirect_slashes=False,
        telemetry=traced(settings),
    )
    # routes are tried in this order, about 3 µs each: what is called most comes first
    for resource in (
        *(transfers, repairs, movements, wallets, batches, events),
        *(
            auth,
            oidc,
            api_keys,
            users,
            webhooks,
            timeline,
            proof,
            findings,
            receipts,
            well_known,
            health,
        ),
    ):
        app.include_router(resource.router)
    app.include_router(webhooks.deliveries)
    app.include_router(docs_page.router)
    app.include_router(proof_page.router)
    _open_codec(app, settings)
    if settings.rehearsal_allowed:
        app.include_router(simulation.router)
    install_handlers(app)
    install_openapi(app)
    return app


def _open_paths() -> frozenset[str]:
    """What probes and readers of the documentation ask for: for anybody, without a limit."""
    routers = (health.router, docs_page.router, well_known.router)
    return frozenset({"/openapi.json"}).union(*map(health.paths_of, routers))


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
    histories: Histories,
    probes: Sequence[Probe],
) -> Parts:
    tokens = AccessTokens(load_keys(settings), settings, storage.clock)
    keys = load_statement_keys(settings)
    key_ring = KeyRing(storage.api_keys, storage.clock, settings)
    sessions = Sessions(
        storage.accounts, storage.refresh_tokens, tokens, storage.clock, storage.quotas, settings
    )
    admission = Admission(tokens, key_ring, storage.access, storage.clock)
    return Parts(
        access_watch=AccessWatch(admission),
        account_limits=AccountLimits(storage.quotas, settings),
        accounts=storage.accounts,
        admission=admission,
        api_keys=storage.api_keys,
        audit=storage.audit,
        batches=storage.batches,
        clock=storage.clock,
        feed=storage.feed,
        key_ring=key_ring,
        large_bodies=LargeBodies(
            settings.max_batch_bytes, min(MAX_ITEMS, share_of(settings.max_unfinished))
        ),
        metrics_token=settings.metrics_token.get_secret_value() if settings.metrics_token else "",
        observer=storage.observer,
        owners_move_money=settings.rehearsal_allowed,
        probes=probes,
        findings=storage.findings,
        proofs=storage.proofs,
        receipts=Receipts(
            storage.receipts, keys, storage.clock, period_s=settings.receipt_period_s
        ),
        rehearsal=storage.rehearsal,
        saga_pressure=SagaPressure(settings.max_unfinished, settings.bearable_delay_s),
        sagas=sagas,
        sessions=sessions,
        sign_on=SignOn(
            storage.sign_ons,
            storage.accounts,
            sessions,
            storage.audit,
            storage.clock,
            settings,
        ),
        statement_keys=keys,
        streams=Streams(
            storage.feed,
            storage.news,
            at_most=settings.streams_max,
            heartbeat_s=settings.streams_heartbeat_s,
            life_s=settings.access_token_ttl_s,
            observer=storage.observer,
        ),
        subscriptions=_subscriptions(settings, storage, couriers),
        timelines=Timelines(storage.timelines, histories, storage.clock),
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
