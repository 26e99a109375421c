"""Passwords: what verifies, and what an unknown user costs."""

import time

from payflow.auth.passwords import hash_password, verify_password


async def test_only_the_right_password_verifies() -> None:
    stored = await hash_password("correct horse")
    assert stored.startswith("$argon2id$")
    assert await verify_password("correct horse", stored)
    assert not await verify_password("correct horse ", stored)
    assert not await verify_password("", stored)


async def test_the_same_characters_typed_otherwise_are_the_same_password() -> None:
    composed, decomposed = "caf\u00e9 au lait", "cafe\u0301 au lait"
    assert await verify_password(decomposed, await hash_password(composed))


async def test_an_unknown_user_never_verifies_and_costs_as_much() -> None:
    stored = await hash_password("correct horse")
    assert not await verify_password("correct horse", None)

    async def seconds(password_hash: str | None) -> float:
        begun = time.perf_counter()
        await verify_password("wrong horse", password_hash)
        return time.perf_counter() - begun

    known = min([await seconds(stored) for _ in range(5)])
    unknown = min([await seconds(None) for _ in range(5)])
    assert 0.4 < unknown / known < 2.5
