"""What people are told when something is refused, word for word, and the code programs get."""

from payflow.domain import api_keys as k
from payflow.domain import errors as e
from payflow.domain import limits as q
from payflow.domain import repair_errors as r
from payflow.domain import sign_on as s
from payflow.domain import webhook_errors as w
from payflow.domain.proof_ports import ProofPending
from payflow.domain.receipt_errors import TransferNotTerminal
from payflow.domain.webhooks import ALL_EVENTS, EVENT_TYPES


def told() -> dict[e.PayflowError, str]:
    return {
        e.AuthenticationRequired(): "Send an access token: Authorization: Bearer <token>.",
        e.TokenInvalid(): "The access token is not valid; sign in again.",
        e.OperatorRequired(): "Only an operator may do this.",
        e.NotFound("wallet", "wal_1"): "There is no wallet wal_1.",
        e.DestinationNotFound("wal_1"): "There is no destination wallet wal_1.",
        e.RecipientNotFound("USD"): "Nobody with this email address has a USD wallet.",
        e.SameWallet(): "Source and destination are the same wallet; name two wallets.",
        e.CurrencyMismatch("wal_1", "USD", "EUR"): "Wallet wal_1 holds USD, not EUR.",
        e.BalanceLimitExceeded(
            "wal_1"
        ): "Wallet wal_1 cannot hold more than 9000000000000000 minor units.",
        e.IdempotencyKeyReused(): "This Idempotency-Key was used with another request; "
        "use a new key "
        "for a new request.",
        e.ItemsRefused([e.ItemProblem(3, "amount", e.SameWallet())]): "The batch was not accepted, "
        "nothing was written: see errors.",
        e.WalletFrozen("wal_1"): "Wallet wal_1 is frozen.",
        e.WalletClosed("wal_1"): "Wallet wal_1 is closed.",
        e.WalletInUse(
            "wal_1"
        ): "Wallet wal_1 holds money or has transfers under way; empty it first.",
        e.InsufficientFunds("wal_1"): "Wallet wal_1 does not have that much available.",
        e.EmailTaken(): "This email address is registered already.",
        e.TransferTerminal("trf_1", "failed"): "Transfer trf_1 has ended (failed).",
        e.NothingToRetry("trf_1"): "Transfer trf_1 has no step that waits to be tried again.",
        e.WorkflowCannotRun(
            "trf_1"
        ): "The workflow of transfer trf_1 does not answer; see its last "
        "workflow task in the Temporal UI, deploy the fix or reset it.",
        e.BooksUnavailable(): "The service cannot answer for the moment; try again.",
        e.OutcomeUnknown(): "It is not known yet whether this was written. Repeat with the same "
        "Idempotency-Key.",
        e.IllegalMove("trf_1", "debit", "it is bound"): "debit of trf_1: it is bound",
        r.TransferPaused("trf_1"): "Transfer trf_1 is paused; resume it first.",
        r.LegNotPending(
            "trf_1", "credit", "post"
        ): "Transfer trf_1 does not wait for its credit: it waits for its post.",
        r.LegNotPending("trf_1", "credit", None): "Transfer trf_1 does not wait for its credit: it "
        "waits for nothing.",
        r.SecondOperatorRequired("trf_1"): "This is proposed for transfer trf_1; another "
        "operator must approve it by the same call to the PayFlow API or "
        "`payflow transfers resolve`.",
        r.ActIdReused("act_1"): "Another action is recorded as act_1; send yours with a new id.",
        r.OperatorUnknown("bob"): "There is no active operator 'bob': give the id, or the email "
        "address you sign in to PayFlow with.",
        r.VerbRefused("some_code", "in words"): "in words",
        w.WebhookUrlInvalid("has no host"): "The URL has no host.",
        w.WebhookUrlForbidden(): "Events are not delivered to this address; use a "
        "public host name.",
        w.EventTypeUnknown("x"): f"There is no event type 'x'; there are: "
        f"{', '.join((ALL_EVENTS, *EVENT_TYPES))}.",
        w.WebhookSecretInvalid(): "A secret is whsec_ followed by the base64 of 24 to "
        "64 random bytes.",
        w.EndpointLimitReached(9): "A user has at most 9 webhook endpoints; delete one first.",
        w.EndpointNotEnabled(
            "whe_1", "paused"
        ): "Webhook endpoint whe_1 is paused; enable it first.",
    }


MINUTE = q.Verdict(q.Quota("orders", 600, 60), False, 0, 2.1)


def told_at_the_door() -> dict[e.PayflowError, str]:
    """What one reads whose token, key or quota is at its end."""
    return {
        e.TokenExpired(): "The access token has expired; get a new one with the refresh token.",
        e.TokenWrongType(): "This is a refresh token; send the access token.",
        e.InvalidCredentials(): "The email address or the password is wrong.",
        e.AccountDeactivated(): "This account is deactivated.",
        e.RefreshTokenInvalid(): "The refresh token is not valid; sign in again.",
        e.RefreshTokenExpired(): "The refresh token has expired; sign in again.",
        e.RefreshTokenReused(): "This refresh token was used before, so its session has been "
        "ended; sign in again.",
        e.RefreshTokenRevoked(): "The session of this refresh token has ended; sign in again.",
        k.ApiKeyInvalid(): "The API key is not one that we gave out.",
        k.ApiKeyInvalid("is for pf_live_"): "The API key is for pf_live_.",
        k.ApiKeyExpired(): "The API key has expired; make a new one.",
        k.ApiKeyRevoked(): "The API key was revoked; make a new one.",
        k.ScopeRequired(k.Scope.WALLETS_READ): "This call needs the scope wallets:read.",
        k.ScopeRequired(None): "This call is for signed-in people, not for API keys.",
        k.ApiKeyExpiryInvalid(366): "expires_at must lie in the future, at most 366 days ahead.",
        k.ApiKeyLimitReached(9): "A user has at most 9 API keys that open something; revoke one.",
        q.RateLimited(MINUTE): "No more than 600 in 60 s (orders); try again in 3 s.",
        q.Overloaded(): "Too many requests are under way here; try again.",
    }


def told_by_others() -> dict[e.PayflowError, str]:
    """What a provider's answer, a proof or a receipt that is not there yet comes to."""
    return {
        s.SignOnStateInvalid(): "This sign-in was not begun here, was used, or took too long; "
        "begin anew.",
        s.SignOnRefused("not today"): "The provider did not sign you in: not today.",
        s.SignOnTokenInvalid("its nonce"): "The provider's answer is not valid: its nonce.",
        s.SignOnNotOperator(): "The provider does not name you among the operators.",
        s.SignOnEmailUnverified(): "The provider has not verified your email address.",
        s.SignOnOff(): "No provider is set to sign in with; use POST /v1/auth/login.",
        s.SignOnUnavailable(): "The provider to sign in with does not answer; try again.",
        ProofPending(): "The books are being proved for the first time; ask again in a minute.",
        TransferNotTerminal("trf_1", "debited"): "Transfer trf_1 has not ended (debited); ask "
        "again when it has.",
    }


def test_a_refusal_says_what_is_wrong() -> None:
    for error, words in (told() | told_at_the_door() | told_by_others()).items():
        assert str(error) == words


def test_some_codes_are_those_of_what_they_are_about() -> None:
    assert e.NotFound("wallet", "wal_1").code == "wallet_not_found"
    assert r.VerbRefused("some_code", "").code == "some_code"
    problem = e.ItemProblem(3, "amount", e.SameWallet())
    refused = e.ItemsRefused([problem, e.ItemProblem(4, "amount", e.EmailTaken())])
    assert (refused.code, refused.problems[0], len(refused.problems)) == ("same_wallet", problem, 2)


def test_some_refusals_carry_their_facts() -> None:
    missing = e.NotFound("wallet", "wal_1")
    assert (missing.kind, missing.subject_id) == ("wallet", "wal_1")
    assert q.RateLimited(MINUTE).verdict == MINUTE
    illegal = e.IllegalMove("trf_1", "debit", "")
    assert (illegal.subject_id, illegal.leg) == ("trf_1", "debit")
