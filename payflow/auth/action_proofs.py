"""Proofs of operators' actions: an HMAC over the whole action, under a key of the API and workers.

Temporal does not authenticate who sends an Update. The API does, and proves it to the activity
that records the action. The keys are derived (HKDF, RFC 5869) from the keys that sign access
tokens, so they rotate with them: the first proves, each verifies.
"""

import base64
import hmac
from collections.abc import Mapping

import rfc8785
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from payflow.auth.keys import SigningKeys, load_keys
from payflow.domain.repairs import Act
from payflow.settings import Settings

_KEY_BYTES = 32  # as long as the hash (RFC 2104 §3)
_PURPOSE = b"payflow operator action v1"  # no other key comes of the same secret


class HmacActionProofs:
    """The ``ActionProofs`` port: ``{key id}:{HMAC-SHA256, hexadecimal}``."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """Take the keys by their ids; the first proves, each verifies."""
        self._keys = dict(keys)
        self._newest = next(iter(self._keys))

    def prove(self, act: Act) -> str:
        """The proof of this act, under the newest key."""
        return f"{self._newest}:{_mac(self._keys[self._newest], act)}"

    def holds(self, act: Act) -> bool:
        """Whether ``act.proof`` is the proof of exactly this act, under any of the keys."""
        key_id, _, given = act.proof.rpartition(":")
        key = self._keys.get(key_id)
        if key is None:
            return False
        try:
            expected = _mac(key, act)
        except rfc8785.CanonicalizationError:
            return False  # a lone surrogate or a number that JSON cannot say; the API sends none
        return hmac.compare_digest(expected.encode(), given.encode(errors="replace"))


def load_action_proofs(settings: Settings) -> HmacActionProofs:
    """The proofs of this installation.

    Raises:
        KeysUnusable: the signing keys cannot be read.
    """
    return HmacActionProofs(derived(load_keys(settings)))


def derived(keys: SigningKeys) -> dict[str, bytes]:
    """A key for proofs from each signing key, under its id and in its order."""
    return {str(key.kid): _derive(str(key.as_dict(private=True)["d"])) for key in keys.all.keys}


def _derive(secret: str) -> bytes:
    raw = base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=_PURPOSE).derive(raw)


def _mac(key: bytes, act: Act) -> str:
    return hmac.new(key, rfc8785.dumps(act.proven()), "sha256").hexdigest()
