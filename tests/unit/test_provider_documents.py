"""What an OpenID provider says of itself: understood, or the sign-in is unavailable; no bug."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payflow.auth.oidc import OidcProvider, _keys
from payflow.domain.sign_on import SignOnUnavailable
from payflow.settings import Settings
from payflow.storage.identity import SystemClock

ISSUER = "https://login.example.com"
SETTINGS = Settings(
    oidc_issuer=ISSUER,
    oidc_client_id="payflow",
    oidc_operator_value="operators",
    oidc_redirect_url="https://pay.example.com/v1/auth/oidc/callback",
)
PROVIDER = OidcProvider(SETTINGS, SystemClock())
RIGHT: dict[str, Any] = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/keys",
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)
METHODS = "token_endpoint_auth_methods_supported"


@pytest.mark.parametrize(
    ("listed", "in_body"),
    [
        (["client_secret_post"], True),
        (["client_secret_basic", "client_secret_post"], False),
        ([], False),
        (None, False),
        (5, False),
        ("client_secret_post", False),
        ({"client_secret_post": 1}, False),
    ],
)
def test_a_list_of_methods_that_is_none_counts_as_absent(listed: object, in_body: bool) -> None:
    assert PROVIDER._described({**RIGHT, METHODS: listed}).secret_in_body is in_body


@given(st.sampled_from([*RIGHT, METHODS]), JSON)
def test_any_description_is_understood_or_unavailable(name: str, value: Any) -> None:
    with suppress(SignOnUnavailable):
        PROVIDER._described({**RIGHT, name: value})


@given(
    st.dictionaries(
        st.sampled_from(["keys", "other"]),
        JSON
        | st.lists(
            st.fixed_dictionaries(
                {"kty": st.sampled_from(["RSA", "EC", "oct"]) | JSON, "n": JSON, "e": JSON}
            )
        ),
    )
)
def test_any_keys_are_understood_or_unavailable(document: dict[str, Any]) -> None:
    with suppress(SignOnUnavailable):
        _keys(document)
