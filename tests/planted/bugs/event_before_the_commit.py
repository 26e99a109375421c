"""Events are put into the feed by who posts, before the postings are committed."""

from collections.abc import Sequence
from typing import Any

from pymongo.asynchronous.client_session import AsyncClientSession

from payflow.storage import posting_group
from payflow.storage.feed_places import placed
from payflow.storage.relay_lease import PLACE
from payflow.storage.transactions import Collection
from tests.planted.planting import Reach, replace_in

REACH = Reach.STACK
CAUGHT_BY = ("tests/bank/test_bank.py::test_the_bank_keeps_its_books_whatever_strikes",)
_journaled = posting_group.journaled


async def _told_first(
    journal: Collection, documents: Sequence[dict[str, Any]], session: AsyncClientSession
) -> None:
    await _journaled(journal, documents, session)
    feed, relay = journal.database.feed, journal.database.relay
    while (place := await relay.find_one({"_id": PLACE})) is not None:
        events = placed(documents, place["position"], place["hash"])
        last = {"position": events[-1]["_id"], "hash": events[-1]["hash"]}
        guard = {"_id": PLACE, "position": place["position"]}
        if (await relay.update_one(guard, {"$set": last})).matched_count:
            await feed.insert_many(events)
            return


def plant() -> None:
    replace_in("journaled", _told_first, posting_group)
