"""The one MongoDB client of a process, its documents bound and their indexes in place."""

from typing import Any

from beanie import init_beanie
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure

from payflow.settings import Settings
from payflow.storage.documents import DOCUMENTS
from payflow.storage.pool import LastingPool, wait_in_the_callers_task
from payflow.storage.transactions import Client

APP_NAME = "payflow"  # how our sessions are told from others' in $currentOp

_CONNECT_TIMEOUT_MS = 2_000  # loopback or one data centre: 2 s without an answer is away
_LONGEST_ANSWER_S = 20.0  # a half-open connection ends; the longest query takes under 1 s
_POOL_SIZE = 100  # the driver's default, said


# MongoDB's error codes: Unauthorized, AuthenticationFailed, and Atlas's word for the second.
MONGO_REFUSES = (13, 18, 8_000)


class IndexesDiffer(Exception):
    """The database's indexes are not those the code needs."""


def open_client(settings: Settings, *, longest_answer_s: float = _LONGEST_ANSWER_S) -> Client:
    """A client that connects when first used; it never raises here."""
    wait_in_the_callers_task()
    return AsyncMongoClient(
        settings.mongo_url,
        appname=APP_NAME,
        tz_aware=True,
        # one value that Python cannot express must not spoil the whole answer it is in
        datetime_conversion="DATETIME_AUTO",
        unicode_decode_error_handler="replace",
        w="majority",
        journal=True,
        readConcernLevel="majority",
        serverSelectionTimeoutMS=_CONNECT_TIMEOUT_MS,
        connectTimeoutMS=_CONNECT_TIMEOUT_MS,
        socketTimeoutMS=int(longest_answer_s * 1_000),
        maxPoolSize=_POOL_SIZE,
        _pool_class=LastingPool,
    )


async def bind_documents(client: Client, settings: Settings) -> None:
    """Bind the Beanie documents to the database, create their indexes and check them.

    Raises:
        IndexesDiffer: an index of that name exists with another definition.
    """
    database: AsyncDatabase[dict[str, Any]] = client[settings.mongo_database]
    try:
        await init_beanie(database=database, document_models=list(DOCUMENTS))
    except OperationFailure as error:
        if error.code in MONGO_REFUSES:
            raise
        raise IndexesDiffer(f"the indexes of {settings.mongo_database} differ: {error}") from error
    missing = await missing_indexes(client, settings)
    if missing:
        raise IndexesDiffer(f"indexes are missing: {', '.join(missing)}")


async def missing_indexes(client: Client, settings: Settings) -> list[str]:
    """The indexes, as ``collection.name``, that the code counts on and the database lacks."""
    database = client[settings.mongo_database]
    missing = []
    for document in DOCUMENTS:
        collection = document.get_settings().name or ""
        wanted = {index.document["name"] for index in getattr(document.Settings, "indexes", ())}
        present = await database[collection].index_information() if wanted else {}
        missing += [f"{collection}.{name}" for name in sorted(wanted - present.keys())]
    return missing
