"""Events are put into the feed by who posts, before the postings are committed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pymongo.asynchronous.client_session import AsyncClientSession

from payflow.storage import posting_group
from payflow.storage.commands import Write, in_line
from payflow.storage.feed_places import placed
from payflow.storage.relay_lease import PLACE
from tests.planted.overhearing import Overheard
from tests.planted.planting import Reach, replace_in

REACH = Reach.STACK
CAUGHT_BY = ("tests/bank/test_bank.py::test_the_bank_keeps_its_books_whatever_strikes",)


@asynccontextmanager
async def _told_first(session: AsyncClientSession, *, commits: bool) -> AsyncIterator[Overheard]:
    async with in_line(session) as line:
        yield (overheard := Overheard(line))
        for insertion in overheard.insertions:
            await _tell(insertion)


async def _tell(insertion: Write) -> None:
    journal, documents = insertion.collection, insertion.command["documents"]
    feed, relay = journal.database.feed, journal.database.relay
    while (place := await relay.find_one({"_id": PLACE})) is not None:
        events = placed(documents, place["position"], place["hash"])
        last = {"position": events[-1]["_id"], "hash": events[-1]["hash"]}
        guard = {"_id": PLACE, "position": place["position"]}
        if (await relay.update_one(guard, {"$set": last})).matched_count:
            await feed.insert_many(events)
            return


def plant() -> None:
    replace_in("in_line", _told_first, posting_group)
