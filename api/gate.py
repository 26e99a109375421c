"""Who asks, and how often: found out before anything of the request is read.

Open paths are for probes and readers of the documentation. Of the others every request is counted
once: a signed-in caller's by who they are, anybody else's by where they come from. Sign-up,
sign-in and refresh count by address whoever asks, so that no account opens a way around it.
"""

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.bounds import has_body
from api.client_address import ADDRESS, ClientAddresses
from api.in_flight import belongs_to
from api.problems import limit_headers, problem_of
from api.scopes import is_for_anybody, scope_for
from payflow.auth.admission import Admission, Visitor
from payflow.domain.api_keys import ScopeRequired
from payflow.domain.errors import AuthenticationFailed, AuthenticationRequired, PayflowError
from payflow.domain.limits import Quota, Quotas, RateLimited, Taken
from payflow.settings import Settings

VISITOR = "payflow.visitor"  # a Visitor, or the AuthenticationFailed that says why there is none
TRANSFERS = "/v1/transfers"

# What is asked before signing in counts by address in a bucket of its own each, whoever asks: no
# other traffic from there uses up what people need to sign in.
_BEFORE_LOGIN = {
    "/v1/auth/register": "registrations",
    "/v1/auth/login": "sign_ins",
    "/v1/auth/refresh": "refreshes",
    "/v1/auth/oidc/login": "sign_ins",
    "/v1/auth/oidc/callback": "sign_ins",
}
_ANONYMOUS = "anonymous"


class DoorQuotas:
    """Which quota a request takes from, and under which key."""

    def __init__(self, quotas: Quotas, settings: Settings) -> None:
        self._quotas = quotas
        names = {_ANONYMOUS, *_BEFORE_LOGIN.values()}
        self._of_addresses = {name: settings.quota(name) for name in names}
        self._user = settings.quota("user")
        self._transfers = settings.quota("transfers")

    async def take(self, scope: Scope, visitor: Visitor | None) -> Taken | None:
        """What came of counting this request; None where no limit is in force."""
        if visitor is None:
            bucket = _BEFORE_LOGIN.get(scope["path"], _ANONYMOUS)
            return await self._exactly(self._of_addresses[bucket], scope[ADDRESS])
        user_id = visitor.principal.user_id
        if scope["method"] == "POST" and scope["path"] == TRANSFERS:
            return await self._exactly(self._transfers, user_id)
        if self._user is None:
            return None
        return await self._quotas.take_cheaply(self._user, user_id)

    async def _exactly(self, quota: Quota | None, key: str) -> Taken | None:
        return None if quota is None else await self._quotas.take_soon(quota, key)


class Gate:
    """Puts the visitor and the address into the scope, and refuses who has asked too often.

    A body is taken from a visitor, or where one is made: nobody else's is read.
    """

    def __init__(
        self,
        app: ASGIApp,
        admission: Admission,
        quotas: DoorQuotas,
        addresses: ClientAddresses,
        open_paths: Collection[str],
    ) -> None:
        self._app = app
        self._admission = admission
        self._quotas = quotas
        self._addresses = addresses
        self._open = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection of any kind; only HTTP requests pass a gate."""
        if scope["type"] != "http" or scope["path"] in self._open:
            await self._app(scope, receive, send)
            return
        try:
            taken = await self._count(scope)
        except PayflowError as refusal:
            await problem_of(scope, refusal)(scope, receive, send)
            return
        await self._app(scope, receive, _with_limits(send, taken) if taken else send)

    async def _count(self, scope: Scope) -> Taken | None:
        """Raises ``RateLimited``, ``Overloaded``, ``ScopeRequired``, ``AuthenticationFailed``
        for a request with a body, or ``Trouble`` without the accounts.
        """
        scope[ADDRESS] = self._addresses.of(scope)
        found = scope[VISITOR] = await self._who(scope)
        known = found if isinstance(found, Visitor) else None
        belongs_to(scope, known.principal.user_id if known else scope[ADDRESS])
        before_login = scope["path"] in _BEFORE_LOGIN
        visitor = None if before_login else known
        taken = await self._quotas.take(scope, visitor)
        if taken is not None and not taken.passed:
            raise RateLimited(await taken.verdict)
        if isinstance(found, AuthenticationFailed) and not before_login and has_body(scope):
            raise found
        allowed = None if visitor is None else visitor.scopes
        if allowed is not None and not is_for_anybody(scope["path"]):
            wanted = scope_for(scope["method"], scope["path"])
            if wanted not in allowed:
                raise ScopeRequired(wanted)
        return taken

    async def _who(self, scope: Scope) -> Visitor | AuthenticationFailed:
        kind, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            return AuthenticationRequired()
        try:
            return await self._admission.admit(token.strip())
        except AuthenticationFailed as refusal:
            return refusal


def visitor_of(scope: Scope) -> Visitor:
    """The visitor the gate let in, or the reason why there is none."""
    found = scope[VISITOR]
    if isinstance(found, Visitor):
        return found
    raise found


def _with_limits(send: Send, taken: Taken) -> Send:
    async def send_with_limits(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in limit_headers(await taken.verdict).items():
                headers.setdefault(name, value)  # a narrower limit has said its own
        await send(message)

    return send_with_limits
