"""Who may call, as a type in the call's signature."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from api.client_address import ADDRESS
from api.gate import visitor_of
from api.parts import parts_of
from api.problems import REQUEST_ID
from payflow.auth.admission import Visitor
from payflow.domain.errors import OperatorRequired
from payflow.domain.limits import Quota
from payflow.domain.users import Principal


class _AccessToken(SecurityBase):
    """Lets in whoever presents a good access token; also how OpenAPI learns of the scheme."""

    scheme_name = "access_token"
    model = HTTPBearer(
        bearerFormat="JWT",
        description="The `access_token` of register, login or refresh, or an API key.",
    )

    async def admit(self, request: Request) -> Visitor:
        """The visitor the gate let in, or the reason why there is none."""
        return visitor_of(request.scope)


class _SignedIn(_AccessToken):
    async def __call__(self, request: Request) -> Visitor:
        return await self.admit(request)


class _User(_AccessToken):
    async def __call__(self, request: Request) -> Principal:
        return (await self.admit(request)).principal


class _Operator(_AccessToken):
    async def __call__(self, request: Request) -> Principal:
        principal = (await self.admit(request)).principal
        if not principal.is_operator:
            raise OperatorRequired
        return principal


SignedIn = Annotated[Visitor, Depends(_SignedIn())]
Viewer = Annotated[Principal, Depends(_User())]
Operator = Annotated[Principal, Depends(_Operator())]


async def _money_mover(request: Request, viewer: Viewer) -> Principal:
    """An operator; also any user where owners may move money in and out (dev and test)."""
    parts = parts_of(request)
    if viewer.is_operator or parts.owners_move_money:
        return viewer
    await parts.wallets.get(request.path_params["wallet_id"], viewer)  # others' do not exist
    raise OperatorRequired


MoneyMover = Annotated[Principal, Depends(_money_mover)]


class Limited:
    """A call that has a quota of its own: a dependency of its route."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota

    async def __call__(self, request: Request) -> None:
        """Count the call for the account that makes it, or raise ``RateLimited``."""
        user_id = visitor_of(request.scope).principal.user_id
        await parts_of(request).account_limits.take(self._quota, user_id)


async def _address(request: Request) -> str:
    """Where the request comes from, as the gate found."""
    address: str = request.scope[ADDRESS]
    return address


Address = Annotated[str, Depends(_address)]


def request_id_of(request: Request) -> str:
    """The id the middleware gave this request."""
    request_id: str = request.scope[REQUEST_ID]
    return request_id
