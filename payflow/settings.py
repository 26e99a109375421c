"""Every environment variable PayFlow reads: one frozen class, built once per process."""

import os
import re
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from payflow.domain.money import is_currency
from payflow.rate_settings import RateLimitSettings
from payflow.setting_forms import (
    DatabaseName,
    Folder,
    Host,
    HostAndPort,
    LogLevel,
    MongoUrl,
    PartOfADay,
    RedisUrl,
    SignOnSettings,
    WebAddress,
    check_jwk_set,
    codec_keys,
    listed,
    networks_of,
)

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?")  # no path, no "*", no "null"
_BEARABLE_S = 0.05  # an idle process's is 1 ms; its p99 answer about 40 ms


class Environment(StrEnum):
    """Where this process runs; ``production`` refuses every development default."""

    DEV = "dev"
    TEST = "test"
    PRODUCTION = "production"


class Settings(RateLimitSettings, SignOnSettings, BaseSettings):
    """The configuration of one process: ``PAYFLOW_*``, else files such as ``payflow_jwt_keys``.

    docs/configuration.md is made of these fields; a field's description is its row.
    """

    model_config = SettingsConfigDict(env_prefix="PAYFLOW_", frozen=True, extra="ignore")

    env: Environment = Field(Environment.DEV, description="`dev`, `test` or `production`.")
    data_dir: Folder = Field(
        Path(".payflow"), description="Where the embedded servers and the generated keys live."
    )
    secrets_dir: Folder = Field(
        Path("/run/secrets"),
        description="Folder whose files set what the environment does not: `payflow_jwt_keys` is "
        "`PAYFLOW_JWT_KEYS`. Docker and Kubernetes put secrets there.",
    )
    log_level: LogLevel = Field("INFO", description="`TRACE` to `CRITICAL`.")

    api_host: Host = Field("127.0.0.1", description="Address the API listens on.")
    api_port: int = Field(8000, ge=0, le=65_535, description="Port of the API; 0 picks a free one.")

    public_url: WebAddress = Field(
        "",
        description="Address people reach the API at, such as `https://pay.example.com`: for the "
        "links in Temporal's UI.",
    )
    runbook_url: str = Field(
        "docs/operations.md",
        description="Where operators read what to do, for the same links.",
    )

    mongo_url: MongoUrl = Field(
        "mongodb://127.0.0.1:27017/?replicaSet=rs0",
        description="MongoDB, a replica set always (transactions, change streams).",
        repr=False,
    )
    mongo_database: DatabaseName = Field("payflow", description="Database that holds the books.")
    redis_url: RedisUrl = Field(
        "redis://127.0.0.1:6379/0", description="Redis: live events, limits.", repr=False
    )
    temporal_address: HostAndPort = Field("127.0.0.1:7233", description="Temporal frontend.")
    temporal_namespace: str = Field("default", min_length=1, description="Temporal namespace.")

    default_currency: str = Field("USD", description="Currency of a new user's wallet (ISO 4217).")

    access_token_ttl_s: int = Field(900, ge=1, le=86_400, description="Life of an access token.")
    refresh_token_ttl_s: int = Field(
        30 * 86_400, ge=60, le=366 * 86_400, description="Life of a refresh token."
    )
    jwt_issuer: str = Field("payflow", min_length=1, description="`iss` of our tokens, checked.")
    jwt_audience: str = Field(
        "payflow-api", min_length=1, description="`aud` of our tokens, checked."
    )
    jwt_keys: SecretStr | None = Field(
        None,
        description="JWK set of Ed25519 signing keys, the first signs. Empty in dev and test: "
        "a key is generated in the data folder. Required in production.",
    )

    proof_keys: SecretStr | None = Field(
        None,
        description="JWK set of Ed25519 keys for proofs and receipts: the first, private, signs; "
        "the others, public halves will do, stay listed. Empty in dev and test: a key is generated "
        "in the data folder. Required in production.",
    )

    proof_interval_s: float = Field(
        60.0, gt=0, le=86_400, description="Pause between two passes of the proof of the books."
    )
    receipt_period_s: PartOfADay = Field(
        86_400, description="Receipts' roots are sealed after so many seconds: a divisor of a day."
    )
    park_after_s: int = Field(
        300, ge=1, le=86_400, description="A step silent for so long parks its transfer."
    )
    sweep_interval_s: float = Field(
        10.0, gt=0, le=3_600, description="Pause between two looks at unfinished transfers."
    )
    crash_points: bool = Field(
        False,
        description="Tests may hold this process still at its crash points and set its clock "
        "wrong, through files in the data folder. Only with `PAYFLOW_ENV=test`.",
    )
    max_unfinished: int = Field(
        20_000,
        ge=1,
        description="New transfers are refused (503) while so many are unfinished, and a payer's "
        "while half as many are theirs; a batch has at most that half.",
    )
    max_body_bytes: int = Field(65_536, ge=1_024, description="Largest request body (413 above).")
    max_batch_bytes: int = Field(
        8 * 1024 * 1024, ge=1_024, description="The same for `POST /v1/batches`."
    )

    trusted_proxies: str = Field(
        "",
        description="Networks of our own proxies, separated by commas: their `X-Forwarded-For` is "
        "believed.",
    )
    cors_origins: str = Field(
        "",
        description="Origins whose pages may call the API, separated by commas, such as "
        "`https://app.example.com`; none when empty.",
    )
    max_in_flight: int = Field(
        600,
        ge=1,
        description="Requests a process has under way at once (503 above); probes and open event "
        "streams do not count.",
    )

    overload_delay_s: float | None = Field(
        None,
        ge=0,
        le=10,
        description="While a process's work begins later than this, or transfers take five times "
        "as long, it takes on less at once (503 above). 0: never. Empty: 0.05 in production, "
        "never in dev and test.",
    )

    event_bus_length: int = Field(
        10_000, ge=100, description="About how many events the Redis stream keeps."
    )
    streams_max: int = Field(
        1_000, ge=1, description="Open event streams a process serves (503 above)."
    )
    streams_heartbeat_s: float = Field(
        15.0, gt=0, le=300, description="A comment is sent on a stream that is silent for so long."
    )

    webhook_keys: SecretStr | None = Field(
        None,
        description="JWK set of 256-bit octet keys that encrypt signing secrets, the first is the "
        "newest. Empty in dev and test: a key is generated in the data folder. Required in "
        "production.",
    )
    webhook_allow_private: bool = Field(
        False,
        description="Deliver over http, to IP literals and to private addresses as well. Refused "
        "in production.",
    )
    webhook_timeout_s: float = Field(
        15.0, gt=0, le=30, description="A subscriber's whole answer takes no longer than this."
    )
    webhook_endpoint_concurrency: int = Field(
        8, ge=1, le=100, description="Attempts at one endpoint at the same time, in all processes."
    )
    webhook_max_endpoints: int = Field(20, ge=1, description="Webhook endpoints of one user.")
    webhook_secret_overlap_s: int = Field(
        86_400, ge=0, le=30 * 86_400, description="A rotated secret signs on for so long."
    )
    webhook_retry_pace: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Factor on the pauses between attempts, to see retries sooner. Only 1 in "
        "production.",
    )
    webhook_disable_after_s: int = Field(
        5 * 86_400, ge=1, description="An endpoint that has failed for so long is disabled."
    )
    webhook_keep_s: int = Field(
        30 * 86_400,
        ge=86_400,
        le=3_660 * 86_400,
        description="A delivery that has ended, or is held for a paused endpoint, is kept for so "
        "long, with its attempts.",
    )

    metrics_host: Host = Field(
        "127.0.0.1", description="Address a worker's or relay's `/metrics` listens on."
    )
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65_535,
        description="Port of a worker's or relay's `/metrics`; off when empty. "
        "The API has it on its own port.",
    )
    metrics_token: SecretStr | None = Field(
        None,
        min_length=16,
        description="Bearer token that `/metrics` of the API asks for. Empty: it answers who asks "
        "directly from a private address.",
    )
    otlp_endpoint: WebAddress = Field(
        "",
        description="Collector of traces (OTLP over HTTP), such as `http://127.0.0.1:4318`; "
        "off when empty.",
    )
    trace_sample_ratio: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Share of traces that is recorded; "
        "a caller's `traceparent` decides for its own.",
    )
    codec_keys: SecretStr | None = Field(
        None,
        description="Keys of what Temporal stores: `id:base64` of 32 bytes, separated by commas; "
        "the first encrypts, all decrypt. Empty: not encrypted.",
    )
    codec_origin: str = Field(
        "",
        description="Origin of the Temporal UI that may ask `/codec/decode`, such as "
        "`http://127.0.0.1:8233`.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # the framework's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given, then the environment, then the files of the secrets' folder."""
        folder = os.environ.get("PAYFLOW_SECRETS_DIR") or cls.model_fields["secrets_dir"].default
        files = SecretsSettingsSource(settings_cls, folder) if Path(folder).is_dir() else None
        return (init_settings, env_settings, *([files] if files else []))

    @field_validator(
        "metrics_port",
        "metrics_token",
        "codec_keys",
        "rate_limit_enabled",
        "oidc_client_secret",
        "overload_delay_s",
        mode="before",
    )
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("codec_keys")
    @classmethod
    def _whole_keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            codec_keys(value.get_secret_value())
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        networks_of(value)
        return value

    @field_validator("cors_origins", "codec_origin")
    @classmethod
    def _whole_origins(cls, value: str) -> str:
        for origin in listed(value):
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is no origin such as https://app.example.com")
        return value

    @field_validator("default_currency")
    @classmethod
    def _known_currency(cls, value: str) -> str:
        if not is_currency(value):
            raise ValueError(f"{value!r} is not an ISO 4217 currency code such as USD")
        return value

    @model_validator(mode="after")
    def _production_brings_its_own_secrets(self) -> Self:
        if self.env is Environment.PRODUCTION:
            self._refuse_development_defaults()
        if self.crash_points and self.env is not Environment.TEST:
            raise ValueError("PAYFLOW_CRASH_POINTS holds processes still: only PAYFLOW_ENV=test")
        wrong = self.wrong_with_sign_on(https_only=self.env is Environment.PRODUCTION)
        if wrong:
            raise ValueError("\n".join(wrong))
        for name in ("jwt_keys", "webhook_keys", "proof_keys"):
            secret = getattr(self, name)
            if secret is not None:
                check_jwk_set(f"PAYFLOW_{name.upper()}", secret)
        return self

    def _refuse_development_defaults(self) -> None:
        """All that is wrong at once, a line each."""
        refusals = {
            "PAYFLOW_JWT_KEYS is required when PAYFLOW_ENV=production: "
            "a JWK set with at least one Ed25519 private key": self.jwt_keys is None,
            "PAYFLOW_WEBHOOK_KEYS is required when PAYFLOW_ENV=production: "
            "a JWK set with at least one octet key of 256 bits": self.webhook_keys is None,
            "PAYFLOW_PROOF_KEYS is required when PAYFLOW_ENV=production: "
            "a JWK set whose first key is an Ed25519 private key": self.proof_keys is None,
            "PAYFLOW_WEBHOOK_ALLOW_PRIVATE is for development: with it, subscribers reach "
            "into your own network": self.webhook_allow_private,
            "PAYFLOW_WEBHOOK_RETRY_PACE is for development: subscribers count on 1": (
                self.webhook_retry_pace != 1
            ),
            "PAYFLOW_RATE_LIMIT_ENABLED=false is for development: without limits anybody "
            "tries passwords as fast as they can be hashed": self.rate_limit_enabled is False,
            "PAYFLOW_CORS_ORIGINS must be https when PAYFLOW_ENV=production: over http anybody "
            "on the way writes the page": any(
                origin.startswith("http:") for origin in self.cors_list
            ),
        }
        found = [line for line, is_so in refusals.items() if is_so]
        if found:
            raise ValueError("\n".join(found))

    @property
    def in_production(self) -> bool:
        """Whether limits that are not set are as narrow as the documentation says."""
        return self.env is Environment.PRODUCTION

    @property
    def cors_list(self) -> list[str]:
        """The origins whose pages may call the API."""
        return listed(self.cors_origins)

    @property
    def proxy_networks(self) -> list[IPv4Network | IPv6Network]:
        """Where our own proxies are."""
        return networks_of(self.trusted_proxies)

    @property
    def bearable_delay_s(self) -> float | None:
        """Standing delay of the event loop that is overload; None never looks."""
        production = self.env is Environment.PRODUCTION
        default = _BEARABLE_S if production else None
        return default if self.overload_delay_s is None else self.overload_delay_s or None

    @property
    def rehearsal_allowed(self) -> bool:
        """Whether fault simulation and owners' own deposits are open (dev and test)."""
        return self.env is not Environment.PRODUCTION
