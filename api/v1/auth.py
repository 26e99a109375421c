"""Sign-up, sign-in, sessions, and the user's own account."""

from fastapi import APIRouter, Depends
from starlette.responses import JSONResponse, Response

from api.account_limits import PASSWORD_CHANGES
from api.dependencies import Address, Limited, SignedIn, Viewer
from api.json_body import JsonRoute
from api.parts import Ask
from api.problems import ANYONE, BODY, USER, documented
from api.v1.answers import (
    RegistrationAnswer,
    TokensAnswer,
    UserAnswer,
    answer,
    tokens_object,
    user_object,
    wallet_object,
)
from api.v1.schemas import Login, PasswordChange, ProfileChange, RefreshTokenBody, Registration

router = APIRouter(prefix="/v1/auth", tags=["auth"], route_class=JsonRoute)


@router.post(
    "/register",
    status_code=201,
    response_model=RegistrationAnswer,
    summary="Register",
    responses=documented(*ANYONE, *BODY, "email_taken", "outcome_unknown"),
)
async def register(body: Registration, ask: Ask) -> JSONResponse:
    """Make a user and a first wallet of the default currency, and sign in."""
    made = await ask.sessions.register(body.sign_up())
    content = {
        "user": user_object(made.user),
        "wallet": wallet_object(made.wallet),
        "tokens": tokens_object(made.tokens),
    }
    return answer(content, 201)


@router.post(
    "/login",
    response_model=TokensAnswer,
    summary="Log in",
    responses=documented(*ANYONE, *BODY, "invalid_credentials", "account_deactivated"),
)
async def login(body: Login, address: Address, ask: Ask) -> JSONResponse:
    """Begin a session. The answer to an unknown address is the same as to a wrong password."""
    return answer(tokens_object(await ask.sessions.login(body.email, body.password, address)))


@router.post(
    "/refresh",
    response_model=TokensAnswer,
    summary="Refresh a session",
    responses=documented(
        *ANYONE,
        *BODY,
        "refresh_token_invalid",
        "refresh_token_expired",
        "refresh_token_reused",
        "refresh_token_revoked",
        "account_deactivated",
        "outcome_unknown",
    ),
)
async def refresh(body: RefreshTokenBody, ask: Ask) -> JSONResponse:
    """Spend the refresh token for new tokens; a spent one that comes again ends its session."""
    return answer(tokens_object(await ask.sessions.refresh(body.refresh_token)))


@router.post("/logout", status_code=204, summary="Log out", responses=documented(*USER, *BODY))
async def logout(body: RefreshTokenBody, viewer: Viewer, ask: Ask) -> Response:
    """End the session of this refresh token; one that is not the caller's changes nothing."""
    await ask.sessions.logout(viewer, body.refresh_token)
    ask.admission.forget(viewer.user_id)
    return Response(status_code=204)


@router.get(
    "/me", response_model=UserAnswer, summary="Read the own account", responses=documented(*USER)
)
async def read_me(viewer: Viewer, ask: Ask) -> JSONResponse:
    """The user whose token this is."""
    return answer(user_object(await ask.accounts.get(viewer.user_id)))


@router.patch(
    "/me",
    response_model=UserAnswer,
    summary="Change the own account",
    responses=documented(*USER, *BODY),
)
async def change_me(body: ProfileChange, viewer: Viewer, ask: Ask) -> JSONResponse:
    """Change name or phone; what is left out stays, a phone of null is removed."""
    user = await ask.accounts.update_profile(viewer.user_id, body.changes())
    return answer(user_object(user))


@router.post(
    "/password",
    status_code=204,
    dependencies=[Depends(Limited(PASSWORD_CHANGES))],
    summary="Change the own password",
    responses=documented(*USER, *BODY, "invalid_credentials"),
)
async def change_password(
    body: PasswordChange, visitor: SignedIn, address: Address, ask: Ask
) -> Response:
    """Replace the password; every other session of the user ends."""
    await ask.sessions.change_password(visitor, body.change(address))
    ask.admission.forget(visitor.principal.user_id)
    return Response(status_code=204)
