"""API keys as requests carry them and answers show them."""

from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.v1 import examples
from api.v1.fields import Body, Moment, Name
from payflow.auth.api_keys import LIVES, LIVES_AT_MOST, NewApiKey
from payflow.domain.api_keys import ApiKey, Scope, names_of
from payflow.domain.representation import rfc3339


def _example(value: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [value]})


ApiKeyId = Annotated[str, Path(description="The key.", examples=[examples.API_KEY_ID])]


def _each_once(scopes: list[Scope]) -> list[Scope]:
    if len(set(scopes)) != len(scopes):
        raise ValueError("must name each scope once")
    return scopes


class ApiKeyOrder(Body):
    """A key to make."""

    model_config = _example(examples.API_KEY_ORDER)

    name: Name
    scopes: Annotated[
        list[Scope], Field(min_length=1, max_length=len(Scope)), AfterValidator(_each_once)
    ]
    expires_at: (
        Annotated[
            Moment,
            Field(
                description=f"{LIVES.days} days from now when left out; "
                f"at most {LIVES_AT_MOST.days}."
            ),
        ]
        | None
    ) = None

    def wanted(self) -> NewApiKey:
        """The domain's word for it."""
        return NewApiKey(self.name, tuple(self.scopes), self.expires_at)


class ApiKeyAnswer(BaseModel):
    """A key; `hint` is how it begins."""

    model_config = _example(examples.API_KEY_ANSWER)

    object: Literal["api_key"]
    id: str
    name: str
    hint: str
    scopes: list[Scope]
    created_at: str
    expires_at: str
    last_used_at: str | None
    revoked_at: str | None


class NewApiKeyAnswer(ApiKeyAnswer):
    """A new key with its text, which is never shown again."""

    model_config = _example(examples.NEW_API_KEY_ANSWER)

    key: str


def api_key_object(key: ApiKey) -> dict[str, Any]:
    """A key as the contract spells it."""
    return {
        "object": "api_key",
        "id": key.id,
        "name": key.name,
        "hint": key.hint,
        "scopes": names_of(key.scopes),
        "created_at": rfc3339(key.created_at),
        "expires_at": rfc3339(key.expires_at),
        "last_used_at": rfc3339(key.last_used_at) if key.last_used_at else None,
        "revoked_at": rfc3339(key.revoked_at) if key.revoked_at else None,
    }
