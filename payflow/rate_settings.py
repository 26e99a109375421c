"""How often callers may ask: the rates that are settings, and how limits widen outside production.

A limit that no deployment needs to change is a constant beside what it limits; ``in_force`` holds
for it as well.
"""

from dataclasses import replace

from pydantic import Field
from pydantic_settings import BaseSettings

from payflow.domain.limits import Quota
from payflow.setting_forms import OptionalRate, Rate

_WIDER = 1_000
# Rates of one address before anybody has signed in; each falls back to the anonymous one.
_LIKE_ANONYMOUS = ("sign_ins", "registrations", "refreshes")


class RateLimitSettings(BaseSettings):
    """The rates of one user and of one address."""

    rate_limit_enabled: bool | None = Field(
        None,
        description="Whether the limits below hold. Empty: in dev and test those that are not set "
        "are a thousand times as wide, but for logins. `false` only in dev and test.",
    )
    rate_limit_transfers: Rate = Field(
        "600/minute",
        description="`POST /v1/transfers` of one user, counted exactly over all processes: "
        "`N/second`, `minute`, `15minute`, `hour`, `day`.",
    )
    rate_limit_user: Rate = Field("6000/minute", description="All other requests of one user.")
    rate_limit_anonymous: Rate = Field(
        "100/15minute", description="Requests from one address that nobody signed in for."
    )
    rate_limit_sign_ins: OptionalRate = Field(
        "",
        description="Sign-ins from one address, counted apart from all else. Empty: as "
        "`PAYFLOW_RATE_LIMIT_ANONYMOUS`, and so are the next two.",
    )
    rate_limit_registrations: OptionalRate = Field(
        "", description="Registrations from one address, counted apart."
    )
    rate_limit_refreshes: OptionalRate = Field(
        "", description="Refreshes of sessions from one address, counted apart."
    )
    rate_limit_logins: Rate = Field(
        "5/15minute", description="Wrong passwords for one account from one address."
    )

    @property
    def in_production(self) -> bool:
        """Whether limits that are not set are as narrow as the documentation says."""
        return True

    def quota(self, name: str) -> Quota | None:
        """The quota ``rate_limit_{name}``; None when limits are switched off."""
        field = f"rate_limit_{name}"
        if name in _LIKE_ANONYMOUS and not getattr(self, field):
            field = "rate_limit_anonymous"
        is_set = name == "logins" or field in self.model_fields_set
        return self.in_force(Quota.parse(name, getattr(self, field)), is_set=is_set)

    def most(self, amount: int) -> int:
        """How many things of a kind an account may have here, where ``amount`` is the limit."""
        is_narrow = self.rate_limit_enabled or self.in_production
        return amount if is_narrow else amount * _WIDER

    def in_force(self, quota: Quota, *, is_set: bool = False) -> Quota | None:
        """The quota as it holds here; None when limits are switched off.

        In dev and test one that is not set is a thousand times as wide: a test with one client,
        or a storm, is not refused.
        """
        if self.rate_limit_enabled is False:
            return None
        if is_set or self.rate_limit_enabled or self.in_production:
            return quota
        return replace(quota, amount=quota.amount * _WIDER)
