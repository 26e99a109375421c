"""The public halves of the keys that sign access tokens, for whoever verifies one."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict
from starlette.responses import JSONResponse

from api.parts import Ask
from api.problems import ANYONE, documented

MEDIA_TYPE = "application/jwk-set+json"  # RFC 7517 §8.5

_EXAMPLE: JsonDict = {
    "keys": [
        {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
            "use": "sig",
            "alg": "Ed25519",
        }
    ]
}

_EXTRA: JsonDict = {"examples": [_EXAMPLE]}

router = APIRouter(prefix="/.well-known", tags=["auth"])


class JwkSetResponse(JSONResponse):
    """An answer under the type of RFC 7517."""

    media_type = MEDIA_TYPE


class JwkSet(BaseModel):
    """A JWK set (RFC 7517, RFC 8037)."""

    model_config = ConfigDict(json_schema_extra=_EXTRA)

    keys: list[dict[str, str]]


@router.get(
    "/jwks.json",
    response_model=JwkSet,
    summary="Read the public signing keys",
    response_class=JwkSetResponse,
    responses=documented(*ANYONE),
)
async def jwks(ask: Ask) -> JwkSetResponse:
    """Every key whose tokens are taken; the first signs. During a rotation there are two."""
    keys: list[dict[str, Any]] = ask.admission.public_keys
    return JwkSetResponse({"keys": keys})
