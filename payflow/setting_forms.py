"""What a setting's text may look like: rates, keys, addresses, a provider to sign in with."""

import base64
import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings

from payflow.domain.json_text import parse_json
from payflow.domain.limits import Quota
from payflow.domain.receipts import divisor_of_a_day

LOG_LEVELS = ("TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL")
_MONGO_URL = re.compile(r"mongodb(\+srv)?://[^\s/]+(/\S*)?")
_HOST = re.compile(r"[A-Za-z0-9._:%-]+")  # a name, IPv4, or IPv6 with its zone
_HOST_AND_PORT = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.%]+\]):([0-9]{1,5})")
_HIGHEST_PORT = 65_535
_DATABASE = re.compile(r"[\w-]{1,63}", re.ASCII)
_CODEC_KEY_BYTES = 32  # AES-256
_KEY_ID = re.compile(r"[\w.-]{1,64}")
_SCOPES = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*")  # RFC 6749 §3.3


def _rate(text: str) -> str:
    Quota.parse("", text)
    return text


def _rate_or_empty(text: str) -> str:
    return _rate(text) if text else text


def _level(text: str) -> str:
    if text.upper() not in LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(LOG_LEVELS)}")
    return text.upper()


def _mongo_url(text: str) -> str:
    # The driver reads the rest when it connects; some of it needs the network (mongodb+srv).
    if not _MONGO_URL.fullmatch(text):
        raise ValueError("must be an address such as mongodb://127.0.0.1:27017/?replicaSet=rs0")
    return text


def _redis_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_one = parts.scheme in ("redis", "rediss") and bool(parts.hostname) and parts.port != 0
        is_one = is_one or (parts.scheme == "unix" and bool(parts.path))
    except ValueError:  # a port that is no number
        is_one = False
    if not is_one:
        raise ValueError("must be an address such as redis://127.0.0.1:6379/0")
    return text


def _host_and_port(text: str) -> str:
    found = _HOST_AND_PORT.fullmatch(text)
    if not found or not 0 < int(found[1]) <= _HIGHEST_PORT:
        raise ValueError("must be a host and a port such as 127.0.0.1:7233")
    return text


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError("must be a host name or an address such as 127.0.0.1")
    return text


def _database(text: str) -> str:
    if not _DATABASE.fullmatch(text):
        raise ValueError("must be a name of 1 to 63 letters, digits, _ and -")
    return text


def _web_address_or_empty(text: str) -> str:
    if text and not _is_address(text):
        raise ValueError("must be an address such as https://pay.example.com")
    return text


def _named_folder(value: object) -> object:
    if value == "":
        raise ValueError("must name a folder")
    return value


LogLevel = Annotated[str, AfterValidator(_level)]
MongoUrl = Annotated[str, AfterValidator(_mongo_url)]
RedisUrl = Annotated[str, AfterValidator(_redis_url)]
HostAndPort = Annotated[str, AfterValidator(_host_and_port)]
Host = Annotated[str, AfterValidator(_host)]
DatabaseName = Annotated[str, AfterValidator(_database)]
WebAddress = Annotated[str, AfterValidator(_web_address_or_empty)]
Folder = Annotated[Path, BeforeValidator(_named_folder)]
Rate = Annotated[str, AfterValidator(_rate)]
OptionalRate = Annotated[str, AfterValidator(_rate_or_empty)]
PartOfADay = Annotated[int, AfterValidator(divisor_of_a_day)]


class SignOnSettings(BaseSettings):
    """What operators' single sign-on needs to know of the provider."""

    oidc_issuer: str = Field(
        "",
        description="OpenID provider of operators, as its `iss` says it; off when empty.",
    )
    oidc_client_id: str = Field("", description="Our client id at the provider.")
    oidc_client_secret: SecretStr | None = Field(
        None, description="Our secret there. Empty: a public client, by PKCE alone."
    )
    oidc_redirect_url: str = Field(
        "",
        description="Public address of `/v1/auth/oidc/callback`, as the provider knows it.",
    )
    oidc_scopes: str = Field(
        "openid email profile", description="What is asked of the provider; `openid` among it."
    )
    oidc_operator_claim: str = Field(
        "groups", description="Claim of the ID token that tells operators, a text or a list."
    )
    oidc_operator_value: str = Field(
        "", description="What that claim must be, or hold, for an operator; nobody else is let in."
    )

    def wrong_with_sign_on(self, *, https_only: bool) -> list[str]:
        """What is wrong with these settings, a line each; nothing without an issuer."""
        if not self.oidc_issuer:
            return []
        needed = ("oidc_client_id", "oidc_operator_claim", "oidc_operator_value")
        wrong = [
            f"PAYFLOW_{name.upper()} is required with PAYFLOW_OIDC_ISSUER"
            for name in needed
            if not getattr(self, name)
        ]
        for name in ("oidc_issuer", "oidc_redirect_url"):
            text, said = getattr(self, name), f"PAYFLOW_{name.upper()}"
            if not _is_address(text):
                wrong.append(f"{said} is no address such as https://login.example.com: {text!r}")
            elif https_only and not text.startswith("https:"):
                wrong.append(f"{said} must be https when PAYFLOW_ENV=production")
        scopes = self.oidc_scopes
        if not _SCOPES.fullmatch(scopes) or "openid" not in scopes.split(" "):
            wrong.append(
                "PAYFLOW_OIDC_SCOPES are words with one space between; openid is one of them"
            )
        return wrong


def codec_keys(text: str) -> dict[str, bytes]:
    """Keys of AES-256 by their id, in their order, from ``id:base64,id:base64``.

    Raises:
        ValueError: it is not that; the text is not repeated.
    """
    keys: dict[str, bytes] = {}
    for number, part in enumerate(text.split(","), start=1):
        key_id, separator, encoded = part.strip().partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except ValueError:
            key = b""
        if not separator or not _KEY_ID.fullmatch(key_id) or len(key) != _CODEC_KEY_BYTES:
            raise ValueError(f"key {number} is not `id:base64` of {_CODEC_KEY_BYTES} bytes")
        if key_id in keys:
            raise ValueError(f"key {number} has the id of another")
        keys[key_id] = key
    return keys


def networks_of(text: str) -> list[IPv4Network | IPv6Network]:
    """The networks of a list, or ``ValueError``."""
    return [ip_network(part) for part in listed(text)]


def listed(text: str) -> list[str]:
    """What stands between commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def check_jwk_set(name: str, secret: SecretStr) -> None:
    """Refuse what is no JWK set with a key; the text is not repeated."""
    try:
        keys = parse_json(secret.get_secret_value())["keys"]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f'{name} is not a JWK set: {{"keys": [...]}}') from None
    if not isinstance(keys, list) or not keys:
        raise ValueError(f"{name} holds no key")


def _is_address(text: str) -> bool:
    """An address without credentials, query or fragment (OpenID Connect Discovery 1.0 §3)."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    said_more = parts.query or parts.fragment or parts.username or parts.password
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not said_more
