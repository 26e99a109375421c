"""The embedded servers ask for passwords, and no other account or web page can use them."""

import json
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, ResponseError
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from cli import servers
from cli.binaries import find_binaries
from cli.child import Child
from cli.credentials import Credentials, credentials_of
from cli.folder import DataFolder
from cli.ports import LOOPBACK, PortBook
from cli.servers import TEMPORAL_HTTP_HOST
from cli.stack import EmbeddedStack
from payflow.settings import Settings
from tests.stack.test_servers import running_mongod

UNAUTHORIZED, AUTHENTICATION_FAILED = 13, 18
ORDER = {"workflowType": {"name": "Transfer"}, "taskQueue": {"name": "payflow-transfers"}}


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "data")
    folder.create()
    return folder


@pytest.fixture
def credentials(single: EmbeddedStack) -> Credentials:
    return credentials_of(DataFolder(single.data_dir))


def passwords(credentials: Credentials) -> list[str]:
    return [
        credentials.mongo_password,
        credentials.mongo_key,
        credentials.redis_password,
    ]


def without_password(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def test_credentials_are_generated_once_and_read_by_the_owner_only(folder: DataFolder) -> None:
    first = credentials_of(folder)

    assert credentials_of(folder) == first
    assert folder.credentials.stat().st_mode & 0o777 == 0o600
    assert len({*passwords(first), *passwords(credentials_of(other(folder)))}) == 6


def other(folder: DataFolder) -> DataFolder:
    beside = DataFolder(folder.root.parent / "other")
    beside.create()
    return beside


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"mongo_password": 1}'])
def test_torn_credentials_are_generated_anew(folder: DataFolder, text: str) -> None:
    folder.credentials.write_text(text)

    assert credentials_of(folder) == credentials_of(folder)


def test_what_is_shown_of_credentials_and_settings_has_no_password(folder: DataFolder) -> None:
    found = credentials_of(folder)
    settings = Settings(
        mongo_url=found.mongo_url("127.0.0.1:1", "replicaSet=rs0"),
        redis_url=found.redis_url("127.0.0.1:1"),
    )

    shown = f"{found!r} {settings!r} {settings}"

    assert [one for one in passwords(found) if one in shown] == []


def test_only_the_owner_reads_what_holds_passwords(single: EmbeddedStack) -> None:
    root = single.data_dir

    files = [root / name for name in ("stack.json", "credentials.json", "mongo.key", "redis.conf")]

    assert root.stat().st_mode & 0o777 == 0o700
    assert {file.name: file.stat().st_mode & 0o777 for file in files} == {
        file.name: 0o600 for file in files
    }


def test_stack_json_says_how_to_sign_in(single: EmbeddedStack) -> None:
    facts = json.loads((single.data_dir / "stack.json").read_text())

    assert facts["mongo_url"] == single.addresses.mongo_url
    assert facts["redis_url"] == single.addresses.redis_url
    assert urlsplit(facts["mongo_url"]).password
    assert urlsplit(facts["redis_url"]).password


def test_no_command_line_and_no_log_holds_a_password(
    single: EmbeddedStack, credentials: Credentials
) -> None:
    shown = {
        name: Path(f"/proc/{single.pid(name)}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        for name in single.names
    }
    shown |= {log.name: log.read_text() for log in (single.data_dir / "logs").iterdir()}

    assert all(shown.values())
    assert [
        name for name, text in shown.items() if any(p in text for p in passwords(credentials))
    ] == []


@pytest.fixture
async def redis(single: EmbeddedStack) -> AsyncIterator[Any]:
    async with Redis.from_url(single.addresses.redis_url) as client:
        yield client


async def test_redis_asks_for_the_password(single: EmbeddedStack, redis: Any) -> None:
    async with Redis.from_url(without_password(single.addresses.redis_url)) as nobody:
        with pytest.raises(AuthenticationError):
            await nobody.ping()

    assert await redis.ping()


@pytest.mark.parametrize(
    "command",
    [
        "MODULE LOAD /tmp/evil.so",
        "CONFIG SET dir /tmp",
        "DEBUG SLEEP 0",
        "SAVE",
        "BGREWRITEAOF",
        "REPLICAOF 127.0.0.1 1",
        "MONITOR",
        "ACL LIST",
        "SHUTDOWN NOSAVE",
        "FLUSHALL",
        "CLIENT KILL TYPE normal",
        "MIGRATE 127.0.0.1 1 key 0 100",
        "KEYS *",
    ],
)
async def test_redis_refuses_what_reaches_beyond_the_data(redis: Any, command: str) -> None:
    with pytest.raises(ResponseError, match=r"no permissions|not allowed"):
        await redis.execute_command(*command.split())
    with pytest.raises(ResponseError, match=r"no permissions|not allowed|cannot be (run|executed)"):
        await redis.eval(f"return redis.call({', '.join(map(repr, command.split()))})", 0)


async def test_redis_does_what_payflow_needs(redis: Any) -> None:
    assert await redis.set("tried", "1", ex=1)
    assert await redis.eval("return redis.call('get', 'tried')", 0) == b"1"
    assert (await redis.info("server"))["redis_version"]
    assert await redis.publish("tried", "1") == 0


async def test_mongodb_asks_for_the_password(single: EmbeddedStack) -> None:
    url = single.addresses.mongo_url
    password = urlsplit(url).password or ""

    async def refusal(address: str) -> int | None:
        async with AsyncMongoClient[Any](address, serverSelectionTimeoutMS=5_000) as client:
            with pytest.raises(OperationFailure) as refused:
                await client["payflow"]["wallets"].find_one({})
            return refused.value.code

    assert await refusal(without_password(url)) == UNAUTHORIZED
    assert await refusal(url.replace(password, "wrong")) == AUTHENTICATION_FAILED
    async with AsyncMongoClient[Any](url) as client:
        await client["payflow"]["wallets"].find_one({})


async def test_no_account_makes_itself_a_user_of_mongodb(single: EmbeddedStack) -> None:
    address = without_password(single.addresses.mongo_url)

    async with AsyncMongoClient[Any](address) as client:
        with pytest.raises(OperationFailure) as refused:
            await client.admin.command("createUser", "mallory", pwd="x", roles=["root"])

    assert refused.value.code == UNAUTHORIZED


async def test_mongodb_runs_no_scripts(single: EmbeddedStack) -> None:
    async with AsyncMongoClient[Any](single.addresses.mongo_url) as client:
        with pytest.raises(OperationFailure):
            await client["payflow"]["wallets"].find_one({"$where": "sleep(1) || true"})


async def test_data_from_before_passwords_gets_them(folder: DataFolder) -> None:
    port = PortBook(folder.ports, {}).claim("mongod")
    await as_it_was_before(folder, port)

    async with running_mongod(folder, port) as client:
        assert await client["elsewhere"]["notes"].count_documents({"_id": "kept"}) == 1


async def test_lost_credentials_are_replaced_and_the_old_ones_end(folder: DataFolder) -> None:
    port = PortBook(folder.ports, {}).claim("mongod")
    async with running_mongod(folder, port) as client:
        await client["elsewhere"]["notes"].insert_one({"_id": "kept"})
    lost = servers.mongo_url(folder, port)
    folder.credentials.unlink()

    async with running_mongod(folder, port) as client:
        assert await client["elsewhere"]["notes"].count_documents({"_id": "kept"}) == 1
        async with AsyncMongoClient[Any](lost) as before:
            with pytest.raises(OperationFailure):
                await before["elsewhere"]["notes"].find_one({})


async def as_it_was_before(folder: DataFolder, port: int) -> None:
    """Data of a mongod that asked nobody for a password."""
    spec = servers.mongod(find_binaries(), folder, port)
    words = list(spec.command)
    for name, count in (("--keyFile", 2), ("--noscripting", 1)):
        at = words.index(name)
        del words[at : at + count]
    client = AsyncMongoClient[Any](LOOPBACK, port, directConnection=True)

    async def leads() -> bool:
        return bool((await client.admin.command("hello")).get("isWritablePrimary"))

    async def ready() -> None:
        await servers.until(lambda: servers.is_listening(port))
        members = [{"_id": 0, "host": f"{LOOPBACK}:{port}"}]
        await client.admin.command("replSetInitiate", {"_id": "rs0", "members": members})
        await servers.until(leads)

    child = Child(replace(spec, command=tuple(words), wait_ready=ready), folder)
    async with client:
        try:
            await child.start(60)
            await client["elsewhere"]["notes"].insert_one({"_id": "kept"})
        finally:
            await child.stop()


@pytest.fixture
def temporal_http(single: EmbeddedStack) -> str:
    ports = json.loads((single.data_dir / "ports.json").read_text())
    return f"http://{LOOPBACK}:{ports['temporal-http']}/api/v1/namespaces/default"


@pytest.mark.parametrize(
    "host", [None, "localhost", "evil.example.com"], ids=["cross-site", "localhost", "rebinding"]
)
async def test_temporals_http_port_takes_no_posts_of_web_pages(
    single: EmbeddedStack, temporal_http: str, host: str | None
) -> None:
    headers = {"Origin": "http://evil.example.com", "Content-Type": "text/plain"}
    headers |= {"Host": host} if host else {}

    async with httpx.AsyncClient() as page:
        answer = await page.post(
            f"{temporal_http}/workflows/posted", content=json.dumps(ORDER), headers=headers
        )

    assert answer.status_code == 403, answer.text
    assert await workflow_is_unknown(single, "posted")


async def test_temporals_http_port_answers_us_alone(temporal_http: str) -> None:
    async with httpx.AsyncClient() as ours:
        answer = await ours.get(temporal_http, headers={"Host": TEMPORAL_HTTP_HOST})

    assert answer.status_code == 200


async def test_the_temporal_ui_takes_no_posts_of_web_pages(single: EmbeddedStack) -> None:
    url = single.addresses.temporal_ui_url
    headers = {"Origin": "http://evil.example.com", "Content-Type": "text/plain"}

    async with httpx.AsyncClient() as page:
        refused = await page.post(
            f"{url}/api/v1/namespaces/default/workflows/posted-ui",
            content=json.dumps(ORDER),
            headers=headers,
        )
        shown = await page.get(url, follow_redirects=True)

    assert (refused.status_code, "csrf" in refused.text) == (400, True)
    assert shown.status_code == 200
    assert await workflow_is_unknown(single, "posted-ui")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has more than one loopback address")
async def test_the_temporal_ui_listens_where_no_web_page_finds_it(
    single: EmbeddedStack, credentials: Credentials
) -> None:
    address = urlsplit(single.addresses.temporal_ui_url)

    assert address.hostname == asdict(credentials)["temporal_ui_host"]
    assert address.hostname is not None
    assert address.hostname.startswith("127.")
    assert address.hostname != LOOPBACK
    async with httpx.AsyncClient() as page:
        with pytest.raises(httpx.ConnectError):
            await page.get(f"http://{LOOPBACK}:{address.port}")


async def workflow_is_unknown(single: EmbeddedStack, workflow_id: str) -> bool:
    temporal = await Client.connect(single.addresses.temporal_address)
    with pytest.raises(RPCError) as missing:
        await temporal.get_workflow_handle(workflow_id).describe()
    return missing.value.status is RPCStatusCode.NOT_FOUND
