"""Payloads sealed under keys that rotate, and read back by who holds them."""

import base64

import pytest
from pydantic import SecretStr, ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.exceptions import ApplicationError

from payflow.settings import Settings
from temporal.client import data_converter
from temporal.codec import AesGcmCodec, PayloadUnreadable, codec_of

CANARY = b"canary-7f3a9c51d2e84b60"
ONE, OTHER = b"1" * 32, b"2" * 32
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'"' + CANARY + b'"')


def keys(**named: bytes) -> str:
    return ",".join(f"{name}:{base64.b64encode(key).decode()}" for name, key in named.items())


def settings(text: str) -> Settings:
    return Settings(codec_keys=SecretStr(text))


async def test_a_payload_is_sealed_whole_and_comes_back() -> None:
    codec = AesGcmCodec({"one": ONE})
    (sealed,) = await codec.encode([PLAIN])

    assert sealed.metadata["encoding"] == b"binary/encrypted"
    assert sealed.metadata["encryption-key-id"] == b"one"
    for part in (CANARY, b"json/plain"):
        assert part not in sealed.SerializeToString()
    assert await codec.decode([sealed]) == [PLAIN]


async def test_the_same_payload_is_sealed_differently_each_time() -> None:
    codec = AesGcmCodec({"one": ONE})
    first, second = await codec.encode([PLAIN, PLAIN])

    assert first.data != second.data


async def test_the_first_key_seals_and_all_open() -> None:
    before, during = AesGcmCodec({"old": ONE}), AesGcmCodec({"new": OTHER, "old": ONE})
    (old,), (new,) = await before.encode([PLAIN]), await during.encode([PLAIN])

    assert new.metadata["encryption-key-id"] == b"new"
    assert await during.decode([old, new]) == [PLAIN, PLAIN]
    with pytest.raises(PayloadUnreadable):
        await AesGcmCodec({"new": OTHER}).decode([old])


@pytest.mark.parametrize("changed", ["data", "key id", "cut"])
async def test_what_was_changed_is_not_opened(changed: str) -> None:
    codec = AesGcmCodec({"one": ONE, "two": ONE})
    (sealed,) = await codec.encode([PLAIN])
    if changed == "data":
        sealed.data = sealed.data[:-1] + bytes([sealed.data[-1] ^ 1])
    elif changed == "key id":
        sealed.metadata["encryption-key-id"] = b"two"
    else:
        sealed.data = sealed.data[:5]

    with pytest.raises(PayloadUnreadable):
        await codec.decode([sealed])


async def test_what_was_stored_before_there_were_keys_is_read_as_it_is() -> None:
    assert await AesGcmCodec({"one": ONE}).decode([PLAIN]) == [PLAIN]


async def test_the_words_of_a_failure_are_sealed_as_well() -> None:
    converter = data_converter(settings(keys(one=ONE)))
    failure = Failure()
    await converter.encode_failure(ApplicationError(CANARY.decode(), CANARY.decode()), failure)

    assert CANARY not in failure.SerializeToString()
    assert CANARY.decode() in str(await converter.decode_failure(failure))


def test_without_keys_nothing_is_sealed() -> None:
    assert codec_of(Settings()) is None
    assert codec_of(Settings(codec_keys="")) is None
    assert data_converter(Settings()).payload_codec is None


@pytest.mark.parametrize(
    "text",
    [
        "one",
        "one:",
        "one:c2hvcnQ=",
        "one:not base64!",
        f"{keys(one=ONE)},{keys(one=OTHER)}",
        f":{base64.b64encode(ONE).decode()}",
        f"{keys(one=ONE)},",
    ],
)
def test_a_key_that_is_none_is_named_without_being_told(text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(text)

    (problem,) = refused.value.errors()
    assert "key " in problem["msg"]
    assert "MTEx" not in problem["msg"]
