"""Sign-up to sign-out on the real stack: sessions rotate, end, and stay ended."""

import asyncio

import httpx
import pytest

from tests.e2e.auditing import Database
from tests.e2e.bank import PASSWORD, Bank, Json, Person, new_email

# rules of the door; two APIs that share them are the harder case
pytestmark = pytest.mark.parametrize("stack", ["pair"], indirect=True)

ME = "/v1/auth/me"
USER_FIELDS = {"object", "id", "email", "name", "phone", "role", "created_at"}
CACHED_FOR_S = 5.0  # how long another process may not know of a deactivation


def refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def register(bank: Bank, **changes: object) -> httpx.Response:
    body = {"email": new_email("alice"), "password": PASSWORD, "name": "Alice", **changes}
    return await bank.ask("POST", "/v1/auth/register", body=body)


async def login(bank: Bank, email: str, password: str = PASSWORD) -> httpx.Response:
    return await bank.ask("POST", "/v1/auth/login", body={"email": email, "password": password})


async def refresh(bank: Bank, token: str) -> httpx.Response:
    return await bank.ask("POST", "/v1/auth/refresh", body={"refresh_token": token})


def person_of(tokens: Json) -> Person:
    return Person("", tokens["access_token"])


async def test_a_registration_makes_a_user_a_wallet_and_a_session(
    bank: Bank, database: Database
) -> None:
    email = new_email("alice")
    answer = await register(bank, email=email.upper(), phone="+14155550123")
    assert answer.status_code == 201
    made = answer.json()
    assert set(made) == {"user", "wallet", "tokens"}
    assert set(made["user"]) == USER_FIELDS
    assert (made["user"]["email"], made["user"]["role"]) == (email, "user")
    assert made["wallet"]["owner_id"] == made["user"]["id"]
    assert (made["wallet"]["currency"], made["wallet"]["available"]) == ("USD", 0)
    assert made["tokens"]["token_type"] == "Bearer"
    me = await bank.ask("GET", ME, person_of(made["tokens"]))
    assert me.json() == made["user"]
    stored = await database.users.find_one({"_id": made["user"]["id"]})
    assert stored
    assert stored["password_hash"].startswith("$argon2id$")
    token_hashes = [
        t["_id"] async for t in database.refresh_tokens.find({"user_id": stored["_id"]})
    ]
    assert len(token_hashes) == 1
    assert made["tokens"]["refresh_token"] not in token_hashes


async def test_an_address_registers_once_however_it_is_spelled_and_however_many_try(
    bank: Bank, database: Database
) -> None:
    email = new_email("alice")
    spellings = [email, email.upper(), email.title(), email]
    answers = await asyncio.gather(*(register(bank, email=one) for one in spellings))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    refused(await register(bank, email=email), 409, "email_taken")
    assert await database.users.count_documents({"email": email}) == 1
    owner = await database.users.find_one({"email": email})
    assert owner
    assert await database.wallets.count_documents({"owner_id": owner["_id"]}) == 1


async def test_login_wants_the_right_password_and_does_not_say_what_was_wrong(bank: Bank) -> None:
    email = new_email("alice")
    await register(bank, email=email)
    assert (await login(bank, email.upper())).status_code == 200
    wrong = await login(bank, email, PASSWORD + "x")
    unknown = await login(bank, new_email("nobody"))
    refused(wrong, 401, "invalid_credentials")
    refused(unknown, 401, "invalid_credentials")
    assert wrong.json()["detail"] == unknown.json()["detail"]
    assert wrong.headers["www-authenticate"].startswith("Bearer")


async def test_only_an_access_token_opens_a_door(bank: Bank) -> None:
    tokens = (await register(bank)).json()["tokens"]
    good = tokens["access_token"]
    assert (await bank.ask("GET", ME, Person("", good))).status_code == 200
    refused(await bank.ask("GET", ME), 401, "authentication_required")
    refused(
        await bank.ask("GET", ME, headers={"Authorization": "Basic YTpi"}),
        401,
        "authentication_required",
    )
    refused(await bank.ask("GET", ME, Person("", tokens["refresh_token"])), 401, "token_wrong_type")
    refused(await bank.ask("GET", ME, Person("", good[:-2])), 401, "token_invalid")
    refused(await bank.ask("GET", ME, Person("", "x" * 5_000)), 401, "token_invalid")


async def test_a_refresh_token_is_good_once_and_reuse_ends_its_family_only(bank: Bank) -> None:
    email = new_email("alice")
    first = (await register(bank, email=email)).json()["tokens"]
    other = (await login(bank, email)).json()
    second = (await refresh(bank, first["refresh_token"])).json()
    third = (await refresh(bank, second["refresh_token"])).json()
    assert (await bank.ask("GET", ME, person_of(third))).status_code == 200
    refused(await refresh(bank, first["refresh_token"]), 401, "refresh_token_reused")
    refused(await refresh(bank, third["refresh_token"]), 401, "refresh_token_revoked")
    assert (await refresh(bank, other["refresh_token"])).status_code == 200


async def test_of_many_who_spend_one_token_at_once_one_wins_and_the_session_ends(
    bank: Bank, database: Database
) -> None:
    made = (await register(bank)).json()
    token = made["tokens"]["refresh_token"]
    answers = await asyncio.gather(*(refresh(bank, token) for _ in range(12)))
    won = [answer for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    for answer in answers:
        if answer.status_code != 200:
            refused(answer, 401, "refresh_token_reused")
    refused(await refresh(bank, won[0].json()["refresh_token"]), 401, "refresh_token_revoked")
    left = {"user_id": made["user"]["id"], "spent": False, "revoked": False}
    assert await database.refresh_tokens.count_documents(left) == 0


@pytest.mark.parametrize("token", ["pfr_", "pfr_" + "A" * 43, "pfr_" + "A" * 44, "x", "pfr_ä"])
async def test_a_refresh_token_nobody_was_given_is_invalid(bank: Bank, token: str) -> None:
    refused(await refresh(bank, token), 401, "refresh_token_invalid")


async def test_an_access_token_refreshes_nothing(bank: Bank) -> None:
    tokens = (await register(bank)).json()["tokens"]
    refused(await refresh(bank, tokens["access_token"]), 401, "refresh_token_invalid")
    assert (await refresh(bank, tokens["refresh_token"])).status_code == 200


async def test_an_expired_refresh_token_says_so(bank: Bank, database: Database) -> None:
    made = (await register(bank)).json()
    mine = {"user_id": made["user"]["id"]}
    created = {"$set": {"expires_at": (await _stored(database, mine))["created_at"]}}
    await database.refresh_tokens.update_one(mine, created)
    answer = await refresh(bank, made["tokens"]["refresh_token"])
    # MongoDB removes expired tokens once a minute; then nobody knows it any more
    assert answer.json()["code"] in ("refresh_token_expired", "refresh_token_invalid")
    assert answer.status_code == 401


async def test_logging_out_ends_the_own_session_and_nobody_elses(bank: Bank) -> None:
    alice, bob = [(await register(bank)).json()["tokens"] for _ in range(2)]
    path = "/v1/auth/logout"
    for token in (bob["refresh_token"], "pfr_" + "A" * 43, "nonsense"):
        answer = await bank.ask("POST", path, person_of(alice), body={"refresh_token": token})
        assert answer.status_code == 204
    bob = (await refresh(bank, bob["refresh_token"])).json()
    mine = {"refresh_token": alice["refresh_token"]}
    refused(await bank.ask("POST", path, body=mine), 401, "authentication_required")
    assert (await bank.ask("POST", path, person_of(alice), body=mine)).status_code == 204
    refused(await refresh(bank, alice["refresh_token"]), 401, "refresh_token_revoked")
    assert (await refresh(bank, bob["refresh_token"])).status_code == 200


async def test_a_new_password_ends_the_other_sessions(bank: Bank) -> None:
    email, new = new_email("alice"), "staple that horse"
    other = (await register(bank, email=email)).json()["tokens"]
    this = (await login(bank, email)).json()
    change = {"current_password": PASSWORD, "new_password": new}
    wrong = {**change, "current_password": new}
    path = "/v1/auth/password"
    refused(await bank.ask("POST", path, person_of(this), body=wrong), 401, "invalid_credentials")
    assert (await login(bank, email)).status_code == 200
    assert (await bank.ask("POST", path, person_of(this), body=change)).status_code == 204
    refused(await login(bank, email), 401, "invalid_credentials")
    assert (await login(bank, email, new)).status_code == 200
    refused(await refresh(bank, other["refresh_token"]), 401, "refresh_token_revoked")
    assert (await refresh(bank, this["refresh_token"])).status_code == 200


async def test_a_profile_changes_only_where_it_is_told_to(bank: Bank) -> None:
    made = (await register(bank, phone="+14155550123")).json()
    who = person_of(made["tokens"])
    renamed = await bank.ask("PATCH", ME, who, body={"name": "Alice Example"})
    assert renamed.json() == {**made["user"], "name": "Alice Example"}
    silent = await bank.ask("PATCH", ME, who, body={"phone": None})
    assert silent.json() == {**renamed.json(), "phone": None}
    for body in ({"name": None}, {"name": ""}, {"email": new_email("bob")}, {"role": "operator"}):
        refused(await bank.ask("PATCH", ME, who, body=body), 422, "validation_error")
    assert (await bank.ask("PATCH", ME, who, body={})).json() == silent.json()


async def test_a_deactivated_user_is_out_until_reactivated(
    bank: Bank, operator: Person, database: Database
) -> None:
    email = new_email("alice")
    made = (await register(bank, email=email)).json()
    user_id, who = made["user"]["id"], person_of(made["tokens"])
    found = await bank.ask("GET", f"/v1/users?email={email}", operator)
    assert found.json()["data"] == [made["user"]]

    reason = {"reason": "a test says so"}
    path = f"/v1/users/{user_id}/deactivate"
    refused(await bank.ask("POST", path, who, body=reason), 403, "operator_required")
    refused(await bank.ask("POST", path, operator, body={}), 422, "validation_error")
    assert (await bank.ask("GET", ME, who)).status_code == 200
    assert (await bank.ask("POST", path, operator, body=reason)).status_code == 200
    await asyncio.sleep(CACHED_FOR_S)
    for _ in bank.urls:
        refused(await bank.ask("GET", ME, who), 401, "account_deactivated")
    refused(await login(bank, email), 401, "account_deactivated")
    refused(await login(bank, email, "not the password"), 401, "invalid_credentials")
    refused(await refresh(bank, made["tokens"]["refresh_token"]), 401, "refresh_token_revoked")

    path = f"/v1/users/{user_id}/reactivate"
    assert (await bank.ask("POST", path, operator, body=reason)).status_code == 200
    assert (await bank.ask("GET", ME, who)).status_code == 200
    assert (await login(bank, email)).status_code == 200
    acts = [act async for act in database.audit.find({"subject_id": user_id}, sort=[("_id", 1)])]
    assert [(act["verb"], act["outcome"]) for act in acts] == [
        ("deactivate", "done"),
        ("reactivate", "done"),
    ]
    assert all(act["actor_id"] == operator.user_id and act["request_id"] for act in acts)


async def test_nobody_but_an_operator_looks_for_users(bank: Bank, operator: Person) -> None:
    alice = await bank.person()
    path = f"/v1/users?email={new_email('nobody')}"
    refused(await bank.ask("GET", path, alice), 403, "operator_required")
    empty = {"object": "list", "data": [], "has_more": False, "next_cursor": None}
    assert (await bank.ask("GET", path, operator)).json() == empty
    for user_id in ("usr_01KDVE0A4Q5J7TP7S8R9VWXYZ5", "nonsense"):
        path = f"/v1/users/{user_id}/deactivate"
        answer = await bank.ask("POST", path, operator, body={"reason": "a test says so"})
        refused(answer, 404, "user_not_found")


async def _stored(database: Database, which: Json) -> Json:
    found = await database.refresh_tokens.find_one(which)
    assert found
    return found
