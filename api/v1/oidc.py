"""Operators' single sign-on: to the provider and back."""

from typing import Annotated

from fastapi import APIRouter, Cookie, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, RedirectResponse, Response

from api.dependencies import request_id_of
from api.parts import Ask
from api.problems import ANYONE, documented
from api.v1.answers import TokensAnswer, answer, tokens_object
from payflow.auth.sign_on import VISIT_S, Return

COOKIE = "payflow_sso"
PATH = "/v1/auth/oidc"

router = APIRouter(prefix=PATH, tags=["auth"])


class Callback(BaseModel):
    """What the provider adds to the address; whatever else it adds is not looked at."""

    state: str = Field(
        max_length=128, description="As we gave it to the provider.", examples=["mBf2…"]
    )
    code: str = Field(
        "", max_length=2_048, description="What we ask for tokens with.", examples=["SplxlOBe…"]
    )
    error: str = Field(
        "", max_length=128, description="Why there is no code.", examples=["access_denied"]
    )
    iss: str = Field(
        "",
        max_length=2_048,
        description="Whose answer it is (RFC 9207).",
        examples=["https://login.example.com"],
    )


@router.get(
    "/login",
    status_code=302,
    response_class=RedirectResponse,
    summary="Go to the provider",
    response_description="To the provider; the cookie is for the way back.",
    responses=documented(*ANYONE, "sso_off", "sso_unavailable"),
)
async def oidc_login(ask: Ask) -> Response:
    """Send the browser of an operator to the OpenID provider, which sends it back."""
    departure = await ask.sign_on.begin()
    sent = RedirectResponse(departure.address, status_code=302)
    sent.set_cookie(
        COOKIE,
        departure.ticket,
        max_age=VISIT_S,
        path=PATH,
        secure=departure.over_https,
        httponly=True,
        samesite="lax",
    )
    return sent


@router.get(
    "/callback",
    response_model=TokensAnswer,
    summary="Come back from the provider",
    responses=documented(
        *ANYONE,
        "validation_error",
        "target_too_long",  # a provider's codes may be long
        "sso_off",
        "sso_state_invalid",
        "sso_refused",
        "sso_token_invalid",
        "sso_not_operator",
        "sso_email_unverified",
        "sso_unavailable",
        "email_taken",
        "account_deactivated",
    ),
)
async def oidc_callback(
    query: Annotated[Callback, Query()],
    ask: Ask,
    request: Request,
    ticket: Annotated[
        str,
        Cookie(alias=COOKIE, max_length=128, description="The ticket that the way there gave."),
    ] = "",
) -> JSONResponse:
    """Begin a session of the operator the provider names; a state and a code are good once."""
    back = Return(query.state, ticket, query.code, query.error, query.iss)
    tokens = await ask.sign_on.finish(back, request_id_of(request))
    content = answer(tokens_object(tokens))
    content.delete_cookie(COOKIE, path=PATH)
    return content
