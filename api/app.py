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
from api.tracing import traced
from api.v1 import auth, movements, simulation, transfers, users, wallets
from payflow.auth.admission import Admission
from payflow.auth.keys import load_keys
from payflow.auth.sessions import Sessions
from payflow.auth.tokens import AccessTokens
from payflow.domain.ports import Probe, Sagas
from payflow.settings import Settings
from payflow.storage.factory import Storage
from temporal.codec import codec_of


def create_app(
    settings: Settings, *, storage: Storage, sagas: Sagas, probes: Sequence[Probe]
) -> FastAPI:
    """The app over these parts.

    Raises:
        KeysUnusable: the signing keys, given or in the data folder, cannot sign.
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
    app.state.parts = _parts(settings, storage, sagas, probes)
    # routes are tried in this order, about 3 µs each: what is called most comes first
    for resource in (transfers, movements, wallets, auth, users, health):
        app.include_router(resource.router)
    _open_codec(app, settings)
    if settings.rehearsal_allowed:
        app.include_router(simulation.router)
    install_handlers(app)
    install_openapi(app)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
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


def _parts(settings: Settings, storage: Storage, sagas: Sagas, probes: Sequence[Probe]) -> Parts:
    tokens = AccessTokens(load_keys(settings), settings, storage.clock)
    return Parts(
        accounts=storage.accounts,
        admission=Admission(tokens, storage.accounts, storage.clock),
        audit=storage.audit,
        observer=storage.observer,
        owners_move_money=settings.rehearsal_allowed,
        probes=probes,
        rehearsal=storage.rehearsal,
        sagas=sagas,
        sessions=Sessions(
            storage.accounts, storage.refresh_tokens, tokens, storage.clock, settings
        ),
        transfers=storage.transfers,
        wallets=storage.wallets,
    )
