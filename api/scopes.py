"""Which scope a call wants of an API key: one table, and what is not in it is for people alone."""

from payflow.domain.api_keys import Scope

_READS = frozenset({"GET", "HEAD"})
_RESOURCES = (
    ("/v1/transfers", "transfers"),
    ("/v1/wallets", "wallets"),
    ("/v1/batches", "batches"),
    ("/v1/events", "events"),
    ("/v1/webhook-endpoints", "webhooks"),
    ("/v1/webhook-deliveries", "webhooks"),
)
_FOR_ANYBODY = ("/v1/proof/keys", "/v1/proofs", "/v1/roots")  # and what is under them
_PROOF = "/v1/proof"  # alone: its findings are for operators
_SCOPES = {scope.value: scope for scope in Scope}


def is_for_anybody(path: str) -> bool:
    """Whether a call is answered without signing in, so that no key can be too narrow for it."""
    return path == _PROOF or any(
        path == prefix or path.startswith(f"{prefix}/") for prefix in _FOR_ANYBODY
    )


def scope_for(method: str, path: str) -> Scope | None:
    """The scope; None where no key is let in, whatever it was made for."""
    for prefix, resource in _RESOURCES:
        if path == prefix or path.startswith(f"{prefix}/"):
            return _SCOPES.get(f"{resource}:{'read' if method in _READS else 'write'}")
    return None
