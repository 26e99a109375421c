"""The three servers that run embedded: their command lines, and how each shows that it answers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError
from temporalio.common import SearchAttributeKey

from cli.binaries import Binaries
from cli.child import ChildSpec
from cli.credentials import USER, Credentials, credentials_of
from cli.files import write_whole
from cli.folder import DataFolder
from cli.ports import LOOPBACK, TRUST_NOBODY
from payflow.storage.uncancelled import finished
from temporal.names import SEARCH_ATTRIBUTES

LOOK_EVERY_S = 0.05
REPLICA_SET = "rs0"
# MongoDB's error codes
NOT_YET_INITIALIZED = 94
AUTHENTICATION_FAILED = 18
USER_EXISTS = 51003
SCRAM = "SCRAM-SHA-256"
# Temporal's HTTP API cannot be switched off. It asks nobody who they are and takes posts of web
# pages, so it answers this name alone, which no browser can send: it resolves nowhere (RFC 2606).
TEMPORAL_HTTP_HOST = "payflow.invalid"
# The default is half of the machine's memory. An atomic batch of 10,000 must fit: it outgrows 0.5.
MONGO_CACHE_GB = 1.0
# A dead worker's open transaction locks its wallets for so long; the default is 60.
TRANSACTION_LIFETIME_S = 10
# mongod waits for its clients to find another primary; there is none. The default is 15 s.
MONGO_QUIESCE_MS = 100


async def until(answers: Callable[[], Awaitable[bool]]) -> None:
    """Return as soon as ``answers`` says yes."""
    while True:
        if await answers():
            return
        await asyncio.sleep(LOOK_EVERY_S)


async def is_listening(port: int) -> bool:
    """Whether something accepts connections on this loopback port."""
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    return True


def mongod(binaries: Binaries, folder: DataFolder, port: int) -> ChildSpec:
    """A replica set of one: transactions and change streams need a set. Its user has a password."""
    credentials = credentials_of(folder)
    key_file = folder.root / "mongo.key"
    write_whole(key_file, credentials.mongo_key)
    parameters = (
        "enableLocalhostAuthBypass=false",  # the key makes the user, not the first one who comes
        f"transactionLifetimeLimitSeconds={TRANSACTION_LIFETIME_S}",
        f"shutdownTimeoutMillisForSignaledShutdown={MONGO_QUIESCE_MS}",
        "diagnosticDataCollectionEnabled=false",
    )
    command = (
        *(str(binaries.mongod), "--dbpath", str(folder.server("mongo"))),
        *("--bind_ip", LOOPBACK, "--port", str(port), "--nounixsocket"),
        *("--keyFile", str(key_file), "--noscripting"),
        *("--replSet", REPLICA_SET, "--wiredTigerCacheSizeGB", str(MONGO_CACHE_GB)),
        *(word for parameter in parameters for word in ("--setParameter", parameter)),
    )
    return ChildSpec(
        "mongod", "mongod", command, lambda: _wait_for_primary(port, credentials), port
    )


def mongo_url(folder: DataFolder, port: int) -> str:
    """How to reach the replica set of this folder at this port."""
    return credentials_of(folder).mongo_url(f"{LOOPBACK}:{port}", f"replicaSet={REPLICA_SET}")


def redis(binaries: Binaries, folder: DataFolder, port: int) -> ChildSpec:
    """Redis without persistence: it holds nothing that cannot be lost.

    Its one user may not do what reaches beyond the data: load modules, write files, reconfigure.
    """
    credentials = credentials_of(folder)
    rules = f"on #{credentials.redis_password_hash} ~* &* +@all -@admin -@dangerous +info"
    access = folder.root / "redis.conf"
    write_whole(access, f"user default off\nuser {USER} {rules}\n")
    command = (
        *(str(binaries.redis), str(access), "--bind", LOOPBACK, "--port", str(port)),
        *("--dir", str(folder.server("redis")), "--daemonize", "no"),
        *("--save", "", "--appendonly", "no"),
    )

    async def wait_ready() -> None:
        await until(lambda: _redis_answers(port, credentials))

    return ChildSpec("redis", "redis", command, wait_ready, port)


def temporal(
    binaries: Binaries, folder: DataFolder, ports: dict[str, int], namespace: str
) -> ChildSpec:
    """The Temporal dev server with its UI, its histories in a file."""
    hosts = f'frontend.httpAllowedHosts=["{TEMPORAL_HTTP_HOST}"]'
    command = (
        *(str(binaries.temporal), "server", "start-dev", "--log-level", "warn"),
        *("--ip", LOOPBACK, "--port", str(ports["temporal"])),
        *("--ui-ip", credentials_of(folder).temporal_ui_host),
        *("--ui-port", str(ports["temporal-ui"]), "--http-port", str(ports["temporal-http"])),
        *("--metrics-port", str(ports["temporal-metrics"])),
        # Relative to its folder: as part of an address, `#` and `?` in a path would end it.
        *("--db-filename", "temporal.db"),
        # The default file mode is 2.5 times slower than memory; with these two it keeps up.
        *("--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=NORMAL"),
        *("--dynamic-config-value", hosts),
        # A workflow that cannot run its task shows up among the problems in 18 s, not in 54.
        "--dynamic-config-value",
        "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute=2",
        *(() if namespace == "default" else ("--namespace", namespace)),
        *(f"--search-attribute={key.name}={_kind(key)}" for key in SEARCH_ATTRIBUTES),
    )
    return ChildSpec(
        name="temporal",
        role="temporal",
        command=command,
        wait_ready=lambda: _wait_for_namespace(ports, namespace),
        port=ports["temporal"],
        cwd=folder.server("temporal"),
        env={"GOGC": "400"},  # fewer collections are worth 10-20 % of its speed
    )


async def _redis_answers(port: int, credentials: Credentials) -> bool:
    try:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(f"AUTH {USER} {credentials.redis_password}\r\nPING\r\n".encode())
        async with asyncio.timeout(1.0):
            answers = [await reader.readline() for _ in range(2)]
    except (OSError, TimeoutError):
        return False
    writer.close()
    return answers == [b"+OK\r\n", b"+PONG\r\n"]


async def _wait_for_namespace(ports: dict[str, int], namespace: str) -> None:
    """The frontend listens and describes our namespace (its HTTP door spares us a gRPC client)."""
    url = f"http://{LOOPBACK}:{ports['temporal-http']}/api/v1/namespaces/{namespace}"

    async def answers() -> bool:
        try:
            return (await client.get(url)).is_success and await is_listening(ports["temporal"])
        except httpx.HTTPError:
            return False

    async with httpx.AsyncClient(
        timeout=2.0, trust_env=False, verify=TRUST_NOBODY, headers={"Host": TEMPORAL_HTTP_HOST}
    ) as client:
        await until(answers)


async def _wait_for_primary(port: int, credentials: Credentials) -> None:
    """A writable primary that knows itself by the address we give out, and its user."""
    await until(lambda: is_listening(port))
    # The members' own user, who signs in with their key: it may found the set and make users.
    async with _signed_in(port, "__system", credentials.mongo_key, "local") as member:
        await until(lambda: finished(_is_primary(member, f"{LOOPBACK}:{port}")))
        password = credentials.mongo_password
        await until(lambda: finished(_user_can_sign_in(member, port, password)))


def _signed_in(
    port: int, user: str, password: str, source: str = "admin"
) -> AsyncMongoClient[dict[str, object]]:
    return AsyncMongoClient(
        *(LOOPBACK, port),
        directConnection=True,
        serverSelectionTimeoutMS=2_000,
        username=user,
        password=password,
        authSource=source,
        authMechanism=SCRAM,
    )


async def _user_can_sign_in(
    member: AsyncMongoClient[dict[str, object]], port: int, password: str
) -> bool:
    """Whether the user has that password; if not, it is given it: new data, or new credentials."""
    try:
        async with _signed_in(port, USER, password) as client:
            await client.admin.command("ping")
            return True
    except OperationFailure as error:
        if error.code == AUTHENTICATION_FAILED:
            await _set_password(member, password)
    except PyMongoError:
        pass  # not the primary any more: ask again
    return False


async def _set_password(member: AsyncMongoClient[dict[str, object]], password: str) -> None:
    wanted: dict[str, object] = {"pwd": password, "roles": ["root"], "mechanisms": [SCRAM]}
    try:
        await member.admin.command({"createUser": USER, **wanted})
    except OperationFailure as error:
        if error.code != USER_EXISTS:
            raise
        await member.admin.command({"updateUser": USER, **wanted})


async def _is_primary(client: AsyncMongoClient[dict[str, object]], address: str) -> bool:
    try:
        hello = await client.admin.command("hello")
        if hello.get("isWritablePrimary") and hello.get("me") == address:
            return True
        await _give_the_set_its_address(client, address)
    except PyMongoError:
        return False  # starting, electing: ask again
    return False


async def _give_the_set_its_address(
    client: AsyncMongoClient[dict[str, object]], address: str
) -> None:
    """Found the replica set, or move it to a port it did not have last time."""
    try:
        config = (await client.admin.command("replSetGetConfig"))["config"]
    except OperationFailure as error:
        if error.code != NOT_YET_INITIALIZED:
            raise
        member = {"_id": 0, "host": address}
        await client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [member]})
        return
    if config["members"][0]["host"] != address:
        config["members"][0]["host"] = address
        config["version"] += 1
        # Forced: the member that could agree is the one that does not find itself in the set.
        await client.admin.command("replSetReconfig", config, force=True)


def _kind(key: SearchAttributeKey[Any]) -> str:
    return key.indexed_value_type.name.title()  # BOOL is Bool on the command line
