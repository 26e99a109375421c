"""The posting engine's rival: the same reads, rules and writes, one transaction for each leg."""

from pymongo.asynchronous.client_session import AsyncClientSession

from payflow.domain.ledger import LegRequest, StepAnswer
from payflow.domain.ports import Origin
from payflow.storage.books_collections import BooksCollections
from payflow.storage.identity import SystemClock
from payflow.storage.posting_group import OriginatedLeg, Posted, PostingGroup
from payflow.storage.recent import RecentTransfers
from payflow.storage.transactions import in_transaction


class OneTransactionPerLeg:
    """Takes each leg by itself, as many side by side as there are callers."""

    def __init__(self, books: BooksCollections) -> None:
        self._client = books.client
        self._recent = RecentTransfers()
        self._group = PostingGroup(books, SystemClock(), self._recent)

    async def take(self, leg: LegRequest, origin: Origin) -> StepAnswer:
        """The leg's answer; conflicts are tried again whole."""
        alone = [OriginatedLeg(leg, origin)]

        async def work(session: AsyncClientSession) -> Posted:
            snapshot = await self._group.read(alone, session)
            self._recent.forget([leg.transfer_id])  # until it is committed
            return await self._group.post(alone, snapshot, session, commits=True)

        verdict = (await in_transaction(self._client, work)).verdict
        for entry in verdict.entries:
            self._recent.remember(entry.transfer)
        (answer,) = verdict.answers
        if not isinstance(answer, StepAnswer):
            raise answer
        return answer
