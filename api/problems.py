"""Problem details (RFC 9457): one table from code to status, for answers and for their docs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse
from starlette.types import Scope

from payflow.domain.errors import PayflowError
from payflow.domain.limits import RateLimited, Verdict

MEDIA_TYPE = "application/problem+json"
SCHEMA_REF = "#/components/schemas/Problem"
REQUEST_ID = "payflow.request_id"  # where the middleware keeps it in the ASGI scope

_RETRY_AFTER_S = "1"  # an election of MongoDB's takes 2-5 s; one early retry does no harm
_EXAMPLE_REQUEST_ID = "req_01KDVE0A4Q5J7TP7S8R9VWXYZ0"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a code stands for; ``detail`` is the example in the documentation."""

    status: int
    title: str
    detail: str


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "malformed_json": Kind(400, "Malformed JSON", "The body is not JSON."),
        "malformed_request": Kind(
            400, "Malformed request", "The request cannot be parsed (RFC 9112)."
        ),
        "header_invalid": Kind(
            400, "Header invalid", "The header authorization may be sent once only."
        ),
        "idempotency_key_required": Kind(
            400, "Idempotency key required", "Send an Idempotency-Key header."
        ),
        "idempotency_key_invalid": Kind(
            400,
            "Idempotency key invalid",
            "One Idempotency-Key of 1 to 255 printable ASCII characters, please.",
        ),
        "authentication_required": Kind(
            401, "Authentication required", "Send an access token: Authorization: Bearer <token>."
        ),
        "token_invalid": Kind(401, "Token invalid", "The access token is not valid."),
        "token_expired": Kind(401, "Token expired", "The access token has expired."),
        "token_revoked": Kind(
            401, "Token revoked", "The session of this access token has ended; sign in again."
        ),
        "token_wrong_type": Kind(
            401, "Wrong type of token", "This is a refresh token; send the access token."
        ),
        "invalid_credentials": Kind(
            401, "Invalid credentials", "The email address or the password is wrong."
        ),
        "account_deactivated": Kind(401, "Account deactivated", "This account is deactivated."),
        "refresh_token_invalid": Kind(
            401, "Refresh token invalid", "The refresh token is not valid; sign in again."
        ),
        "refresh_token_expired": Kind(
            401, "Refresh token expired", "The refresh token has expired; sign in again."
        ),
        "refresh_token_reused": Kind(
            401, "Refresh token reused", "This refresh token was used before; sign in again."
        ),
        "refresh_token_revoked": Kind(
            401, "Refresh token revoked", "The session of this refresh token has ended."
        ),
        "sso_state_invalid": Kind(
            401, "Sign-in unknown", "This sign-in was not begun here, was used, or took too long."
        ),
        "sso_refused": Kind(
            401, "Refused by the provider", "The provider did not sign you in: access_denied."
        ),
        "sso_token_invalid": Kind(
            401, "Provider's answer invalid", "The provider's answer is not valid: nonce."
        ),
        "api_key_invalid": Kind(401, "API key invalid", "The API key is not one that we gave out."),
        "api_key_expired": Kind(401, "API key expired", "The API key has expired; make a new one."),
        "api_key_revoked": Kind(401, "API key revoked", "The API key was revoked; make a new one."),
        "role_changed": Kind(403, "Role changed", "Your role has changed; open the stream again."),
        "scope_required": Kind(403, "Scope required", "This call needs the scope transfers:write."),
        "sso_not_operator": Kind(
            403, "Not an operator", "The provider does not name you among the operators."
        ),
        "sso_email_unverified": Kind(
            403, "Address not verified", "The provider has not verified your email address."
        ),
        "operator_required": Kind(403, "Operator required", "Only an operator may do this."),
        "sso_off": Kind(
            404, "No single sign-on", "No provider is set to sign in with; use POST /v1/auth/login."
        ),
        "route_not_found": Kind(404, "No such route", "There is nothing at this address."),
        "user_not_found": Kind(404, "User not found", "There is no user usr_…."),
        "wallet_not_found": Kind(404, "Wallet not found", "There is no wallet wal_…."),
        "transfer_not_found": Kind(404, "Transfer not found", "There is no transfer trf_…."),
        "root_not_found": Kind(404, "Root not found", "There is no root 2026-01-31."),
        "finding_not_found": Kind(404, "Finding not found", "There is no finding fnd_…."),
        "batch_not_found": Kind(404, "Batch not found", "There is no batch bat_…."),
        "destination_not_found": Kind(
            404, "Destination not found", "There is no destination wallet wal_…."
        ),
        "recipient_not_found": Kind(
            404, "Recipient not found", "Nobody with this email address has a USD wallet."
        ),
        "webhook_endpoint_not_found": Kind(
            404, "Webhook endpoint not found", "There is no webhook_endpoint whe_…."
        ),
        "webhook_delivery_not_found": Kind(
            404, "Webhook delivery not found", "There is no webhook_delivery whd_…."
        ),
        "api_key_not_found": Kind(404, "API key not found", "There is no api_key key_…."),
        "method_not_allowed": Kind(
            405, "Method not allowed", "This address does not take that method."
        ),
        "email_taken": Kind(409, "Email taken", "This email address is registered already."),
        "wallet_frozen": Kind(409, "Wallet frozen", "Wallet wal_… is frozen."),
        "wallet_closed": Kind(409, "Wallet closed", "Wallet wal_… is closed."),
        "wallet_in_use": Kind(409, "Wallet in use", "Wallet wal_… holds money; empty it first."),
        "insufficient_funds": Kind(
            409, "Insufficient funds", "Wallet wal_… does not have that much available."
        ),
        "transfer_terminal": Kind(409, "Transfer has ended", "Transfer trf_… has ended."),
        "transfer_not_terminal": Kind(
            409,
            "Transfer has not ended",
            "Transfer trf_… has not ended (debited); ask again when it has.",
        ),
        "finding_closed": Kind(409, "Finding is closed", "Finding fnd_… is closed already."),
        "nothing_to_retry": Kind(409, "Nothing to retry", "No step of the transfer waits."),
        "transfer_paused": Kind(
            409, "Transfer is paused", "Transfer trf_… is paused; resume it first."
        ),
        "leg_not_pending": Kind(
            409, "Leg is not pending", "Transfer trf_… does not wait for its credit."
        ),
        "second_operator_required": Kind(
            409, "Second operator required", "Another operator must approve it by the same call."
        ),
        "operator_unknown": Kind(
            409, "Operator unknown", "There is no active operator alice@example.com."
        ),
        "illegal_move": Kind(
            409, "Illegal move", "credit of trf_…: it is bound to the rest of its atomic batch"
        ),
        "reason_required": Kind(
            422, "Reason required", "Say who you are (operator) and why (reason)."
        ),
        "resolve_invalid": Kind(
            422,
            "Resolution invalid",
            "A refund cannot be 'not_done': the money has to go somewhere.",
        ),
        "workflow_cannot_run": Kind(
            409, "Workflow cannot run", "The workflow of the transfer does not answer."
        ),
        "api_key_expiry_invalid": Kind(
            422, "Expiry invalid", "expires_at must lie in the future, at most 366 days ahead."
        ),
        "api_key_limit_reached": Kind(
            409, "Too many API keys", "A user has at most 50 API keys that open something."
        ),
        "wallet_limit_reached": Kind(
            409, "Too many wallets", "A user has at most 1000 open wallets; have one closed."
        ),
        "webhook_endpoint_limit_reached": Kind(
            409, "Too many webhook endpoints", "A user has at most 20 webhook endpoints."
        ),
        "webhook_endpoint_not_enabled": Kind(
            409, "Webhook endpoint not enabled", "Webhook endpoint whe_… is paused."
        ),
        "request_timeout": Kind(
            408, "Request timeout", "The body did not arrive in time; send it again."
        ),
        "target_too_long": Kind(414, "Target too long", "Path and query are longer than is taken."),
        "body_too_large": Kind(413, "Body too large", "The body is larger than is taken here."),
        "unsupported_media_type": Kind(
            415, "Unsupported media type", "Send JSON: Content-Type: application/json."
        ),
        "validation_error": Kind(422, "Validation error", "The request is not valid: see errors."),
        "cursor_invalid": Kind(422, "Cursor invalid", "The cursor is none of this list's."),
        "position_invalid": Kind(
            422, "Position invalid", "The feed has come to position 4711; there is nothing beyond."
        ),
        "same_wallet": Kind(422, "Same wallet", "Source and destination are the same wallet."),
        "currency_mismatch": Kind(422, "Currency mismatch", "Wallet wal_… holds USD, not EUR."),
        "balance_limit_exceeded": Kind(
            422, "Balance limit exceeded", "Wallet wal_… cannot hold that much."
        ),
        "webhook_url_invalid": Kind(
            422, "Webhook URL invalid", "The URL must begin with https://."
        ),
        "webhook_url_forbidden": Kind(
            422, "Webhook URL forbidden", "Events are not delivered to this address."
        ),
        "webhook_event_type_unknown": Kind(
            422, "Event type unknown", "There is no event type 'transfer.sent'; there are: …."
        ),
        "webhook_secret_invalid": Kind(
            422, "Webhook secret invalid", "A secret is whsec_ and the base64 of 24 to 64 bytes."
        ),
        "idempotency_key_reused": Kind(
            422, "Idempotency key reused", "This key was used with another request."
        ),
        "payload_unreadable": Kind(
            422, "Payload unreadable", "A payload is encrypted under a key that is not known here."
        ),
        "headers_too_large": Kind(
            431, "Headers too large", "The headers are larger than is taken here."
        ),
        "rate_limited": Kind(
            429, "Rate limited", "No more than 600 in 60 s (transfers); try again in 7 s."
        ),
        "too_many_batches": Kind(
            429, "Too many batches", "You have 100 batches in progress; wait until one has ended."
        ),
        "too_many_own_streams": Kind(
            429, "Too many streams of yours", "You have 100 event streams open here; close one."
        ),
        "internal_error": Kind(
            500, "Internal error", "Something went wrong on our side; the request id finds it."
        ),
        "document_unreadable": Kind(
            500, "Stored data unreadable", "What is stored cannot be read; tell an operator."
        ),
        "temporarily_unavailable": Kind(
            503, "Temporarily unavailable", "The service cannot answer for the moment."
        ),
        "proof_pending": Kind(
            503,
            "Proof pending",
            "The books are being proved for the first time; ask again in a minute.",
        ),
        "proof_stale": Kind(
            503, "Proof stale", "The last proof is old, and none has followed: see /v1/proofs."
        ),
        "sso_unavailable": Kind(
            503, "Provider unavailable", "The provider to sign in with does not answer; try again."
        ),
        "overloaded": Kind(503, "Overloaded", "Too many requests are under way here; try again."),
        "too_many_streams": Kind(
            503, "Too many streams", "Too many event streams are open here; try again."
        ),
        "outcome_unknown": Kind(
            503,
            "Outcome unknown",
            "It is not known yet whether this was written. Repeat with the same Idempotency-Key.",
        ),
    }
)

# What calls have in common, for ``documented``.
ANYONE = ("temporarily_unavailable", "overloaded", "rate_limited", "internal_error")
USER = (
    *ANYONE,
    "document_unreadable",
    "authentication_required",
    "token_invalid",
    "token_expired",
    "token_wrong_type",
    "account_deactivated",
    "api_key_invalid",
    "api_key_expired",
    "api_key_revoked",
    "scope_required",
)
OPERATOR = (*USER, "operator_required")
BODY = ("malformed_json", "body_too_large", "unsupported_media_type", "validation_error")
KEYED = (
    "idempotency_key_required",
    "idempotency_key_invalid",
    "idempotency_key_reused",
    "outcome_unknown",
)


class FieldProblem(BaseModel):
    """One field that is not as it should be."""

    field: str = Field(examples=["amount"])
    message: str = Field(examples=["Input should be greater than or equal to 1"])


class Problem(BaseModel):
    """Problem details; `code` is stable, and what programs should look at."""

    type: str = Field(
        description="`urn:problem-type:payflow:` and the code.",
        pattern="^urn:problem-type:payflow:[a-z_]+$",
    )
    title: str = Field(description="The kind of problem, for people.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong here, for people.")
    instance: str = Field(description="The path that was asked.")
    code: str = Field(description="The kind of problem, for programs.")
    request_id: str = Field(description="Tell us this when you ask us about it.")
    errors: list[FieldProblem] = Field(description="The fields it is about; may be empty.")


def problem(
    scope: Scope,
    code: str,
    *,
    detail: str | None = None,
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The answer that tells of a problem; ``detail`` defaults to the table's."""
    kind = KINDS[code]
    content = _content(code, detail or kind.detail, scope["path"], scope[REQUEST_ID], errors)
    return JSONResponse(
        content,
        status_code=kind.status,
        headers={**_headers_for(code), **(headers or {})},
        media_type=MEDIA_TYPE,
    )


def problem_of(
    scope: Scope, error: PayflowError, errors: Sequence[Mapping[str, str]] = ()
) -> JSONResponse:
    """The answer that tells of an error whose code is in the table."""
    headers = limit_headers(error.verdict) if isinstance(error, RateLimited) else None
    return problem(scope, error.code, detail=str(error), errors=errors, headers=headers)


def limit_headers(verdict: Verdict) -> dict[str, str]:
    """What is left of a quota (draft-ietf-httpapi-ratelimit-headers-11, RFC 9110 §10.2.3)."""
    quota = verdict.quota
    headers = {
        "RateLimit-Policy": f'"{quota.name}";q={quota.amount};w={quota.window_s}',
        "RateLimit": f'"{quota.name}";r={verdict.remaining};t={ceil(verdict.reset_s)}',
    }
    return headers if verdict.passed else {**headers, "Retry-After": str(verdict.retry_after_s)}


def documented(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a call that can give these codes, with an example of each."""
    responses: dict[int | str, dict[str, Any]] = {}
    for code in sorted(set(codes)):
        kind = KINDS[code]
        response = responses.setdefault(
            kind.status,
            {"content": {MEDIA_TYPE: {"examples": {}}}},
        )
        examples = response["content"][MEDIA_TYPE]["examples"]
        examples[code] = {"summary": kind.title, "value": _example(code)}
        response["description"] = " · ".join(f"`{name}`" for name in examples)
        response["content"][MEDIA_TYPE]["schema"] = _schema(examples)
    return responses


def _schema(codes: Iterable[str]) -> dict[str, Any]:
    """A problem with one of these codes."""
    return {"$ref": SCHEMA_REF, "properties": {"code": {"enum": list(codes)}}}


def _example(code: str) -> dict[str, Any]:
    errors = (
        [{"field": "amount", "message": "Input should be greater than or equal to 1"}]
        if code == "validation_error"
        else []
    )
    return _content(code, KINDS[code].detail, "/v1/…", _EXAMPLE_REQUEST_ID, errors)


def _content(
    code: str, detail: str, instance: str, request_id: str, errors: Sequence[Mapping[str, str]]
) -> dict[str, Any]:
    kind = KINDS[code]
    return {
        "type": f"urn:problem-type:payflow:{code}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "instance": instance,
        "code": code,
        "request_id": request_id,
        "errors": list(errors),
    }


def _headers_for(code: str) -> dict[str, str]:
    status = KINDS[code].status
    if status == 401:
        reason = (
            ', error="invalid_token"' if code.startswith(("token_", "api_key_")) else ""
        )  # RFC 6750 §3
        return {"WWW-Authenticate": f'Bearer realm="payflow"{reason}'}
    if status in (429, 503):
        return {"Retry-After": _RETRY_AFTER_S}
    return {}
