"""One pass of the proof: fold what was committed, hold it against the books, say so, signed.

The sums, the stream's token and what was found move in one transaction, so whoever dies in a pass
leaves one that goes on where it stood. Two passes at once do no harm: the second to move the
checkpoint finds it moved, and nothing of it counts.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from bson.timestamp import Timestamp
from loguru import logger
from pymongo.asynchronous.client_session import AsyncClientSession
from ulid import ULID

from payflow.domain.conservation import FEED, INSERT, JOURNAL, TRANSFERS, WALLETS, Fields, Fold
from payflow.domain.invariants import Finding, Invariant
from payflow.domain.ports import Clock
from payflow.domain.proof_ports import Verdict
from payflow.domain.records import in_words
from payflow.proof.books import findings_in
from payflow.proof.changes import Commit, Mark, StreamLost, changes_after
from payflow.proof.checkpoint import CLEARED_AT_MOST, Checkpoint, leave_mark, read_checkpoint
from payflow.proof.histories import SAMPLE, HistoryCheck
from payflow.proof.memory import Memory, aggregate_at, first_at
from payflow.proof.publishing import Publisher
from payflow.proof.readable import misfit_changes
from payflow.proof.sums import Database
from payflow.storage.feed import RELAY
from payflow.storage.relay_lease import PLACE
from payflow.storage.transactions import in_transaction, translated
from payflow.storage.uncancelled import end_if_abandoned

FULL_EVERY = timedelta(days=7)
FOLDED_AT_ONCE = 600  # changes, and then the checkpoint moves: about 150 legs
AT_REST = 2.0  # for each second of work: the process and MongoDB have others to serve
LONGEST_REST_S = 1.0
BREATHE_EVERY = 50  # commits, and then others of this process have a turn
FOUND_AT_MOST = 100  # findings a pass remembers: enough to see what is wrong, whatever is wrong


class Passes:
    """The ``Prover`` port over MongoDB."""

    def __init__(
        self,
        database: Database,
        publisher: Publisher,
        clock: Clock,
        histories: HistoryCheck | None = None,
    ) -> None:
        self._database = database
        self._histories = histories
        self._publisher = publisher
        self._clock = clock

    async def prove(self, *, full: bool = False) -> Verdict:
        """One pass; a full one when asked, when it is time, and while anything is wrong.

        It is time after a week, and when an operator has closed a finding.

        Raises:
            ProofOvertaken: run it again. BooksUnavailable: MongoDB does not answer.
        """
        with translated():
            state = await read_checkpoint(self._database)
            try:
                state, mark = await self._catch_up(state)
            except StreamLost as lost:
                logger.warning("the proof folds the books from the start: {}", lost)
                full = True
                state, mark = await self._catch_up(await self._without_token())
            keys, found = await self._hold_against_the_books(state, mark)
            found = [*state.found, *found]
            full = bool(full or found or state.standing or await self._is_time(state))
            if full:
                found += await findings_in(self._database)
                ahead, changed = await self._rebuilt(state, mark)
                found += changed
            else:
                ahead = replace(state, token=mark.token)
            ahead, differing = await self._compare_histories(ahead, full=full)
            found += differing
            verdict = await self._publisher.publish(state, ahead, _distinct(found), mark.time)
            memory = Memory(self._database, ahead.generation)
            await memory.settle(keys)
            await memory.forget_others()
            return verdict

    async def _compare_histories(
        self, state: Checkpoint, *, full: bool
    ) -> tuple[Checkpoint, tuple[Finding, ...]]:
        """What Temporal's histories have otherwise than the journal, of some of them in each pass.

        The walk over all begins with a full pass that finds no walk under way, and the passes
        after it go on with it.
        """
        if self._histories is None:
            return state, ()
        rule = Invariant.HISTORIES_MATCH_JOURNAL
        wrong_before = [one.subject_id for one in state.standing if one.invariant is rule]
        compared = await self._histories.compare(
            [*wrong_before, *state.ended], state.compared_to, full=full
        )
        return replace(state, compared_to=compared.walked_to), compared.findings

    async def _is_time(self, state: Checkpoint) -> bool:
        if state.full_at is None or self._clock.now() - state.full_at > FULL_EVERY:
            return True
        return await self._publisher.findings.closed_since(state.full_at)

    async def _without_token(self) -> Checkpoint:
        state = await read_checkpoint(self._database)

        async def work(session: AsyncClientSession) -> Checkpoint:
            return await state.move(self._database, session, replace(state, token=None))

        return await in_transaction(self._database.client, work)

    async def _catch_up(self, state: Checkpoint) -> tuple[Checkpoint, Mark]:
        """Fold all that was committed before a mark of ours; without a token, only find the mark.

        Raises:
            StreamLost: some of it cannot be read any more.
        """
        mark = str(ULID())
        async with changes_after(self._database, state.token) as changes:
            await leave_mark(self._database, mark)
            async for commits in _together(changes.until(mark)):
                if state.token is not None:
                    begun = time.monotonic()
                    state = await self._fold(state, commits)
                    await _rest(begun)
            if changes.mark is None:
                raise StreamLost
            return state, changes.mark

    async def _fold(self, state: Checkpoint, commits: Sequence[Commit]) -> Checkpoint:
        memory = Memory(self._database, state.generation)
        fold = Fold(state.end)
        await memory.recall(fold, _keys_of(commits))
        for number, commit in enumerate(commits):
            fold.take(commit.changes)
            if number % BREATHE_EVERY == 0:
                await asyncio.sleep(0)

        amiss = misfit_changes(change for commit in commits for change in commit.changes)
        ahead = replace(
            state,
            token=commits[-1].token,
            end=fold.end,
            transfers=state.transfers + fold.accepted,
            found=(*state.found, *amiss, *fold.found)[:FOUND_AT_MOST],
            ended=_sample((*state.ended, *fold.ended)),
            cleared_ms=(*state.cleared_ms, *fold.cleared_ms)[-CLEARED_AT_MOST:],
        )

        async def work(session: AsyncClientSession) -> Checkpoint:
            moved = await state.move(self._database, session, ahead)
            await memory.save(fold, session)
            return moved

        return await in_transaction(self._database.client, work)

    async def _hold_against_the_books(
        self, state: Checkpoint, mark: Mark
    ) -> tuple[set[str], list[Finding]]:
        """What was folded since, against wallets, transfers and the relay's place at the mark."""
        keys: set[str] = set()
        found: list[Finding] = []
        if state.token is None:
            return keys, found
        async for fold in Memory(self._database, state.generation).due():
            begun = time.monotonic()
            keys |= fold.touched
            found += await self._compare(mark.time, fold)
            await _rest(begun)
        place = await first_at(self._database, mark.time, RELAY, {"filter": {"_id": PLACE}})
        if place is not None and (place["position"], place["hash"]) != (
            state.end.position,
            state.end.hash,
        ):
            detail = f"the relay stands at {place['position']}, the feed at {state.end.position}"
            found.append(Finding(Invariant.FEED_CHAIN_HOLDS, str(state.end.position), detail))
        return keys, found

    async def _compare(self, at: Timestamp, fold: Fold) -> list[Finding]:
        found = []
        said = await self._read(at, WALLETS, fold.wallets)
        for key, kept in fold.wallets.items():
            due = (kept.balance, kept.sequence, 0, kept.currency)
            says = _said(said, key, "balance", "sequence", "held", "currency")
            if says != due:
                detail = f"balance, sequence, held, currency {says}; its entries come to {due}"
                found.append(Finding(Invariant.BALANCES_ARE_FOLDS, key, detail))
            fixed = dict(zip(kept.fixed, _said(said, key, *kept.fixed), strict=True))
            if fixed != kept.fixed:
                detail = f"says {in_words(fixed)}; it was {in_words(kept.fixed)}"
                found.append(Finding(Invariant.RECORDS_MATCH_ENTRIES, key, detail))
        said = await self._read(at, TRANSFERS, fold.transfers)
        for key, one in fold.transfers.items():
            due_of = (one.status, one.sequence, one.refunded, one.amount)
            says = _said(said, key, "status", "sequence", "refunded", "amount")
            if says != due_of:
                detail = f"status, sequence, refunded, amount {says}; its entries lead to {due_of}"
                found.append(Finding(Invariant.STEP_SETS_ARE_LEGAL, key, detail))
        return found

    async def _read(self, at: Timestamp, collection: str, keys: Iterable[str]) -> dict[str, Fields]:
        wanted = sorted(keys)
        if not wanted:
            return {}
        stages = [{"$match": {"_id": {"$in": wanted}}}]
        rows = aggregate_at(self._database, at, collection, stages)
        return {row["_id"]: row async for row in rows}

    async def _rebuilt(
        self, state: Checkpoint, mark: Mark
    ) -> tuple[Checkpoint, tuple[Finding, ...]]:
        """A new memory from the whole journal at the mark; it counts when it is published."""
        generation, before = str(ULID()), Memory(self._database, state.generation)
        standing = await Memory(self._database, generation).rebuild(mark.time, before)
        ahead = replace(
            state,
            token=mark.token,
            generation=generation,
            end=standing.end,
            transfers=standing.transfers,
            full_at=self._clock.now(),
        )
        return ahead, standing.changed


async def _rest(begun: float) -> None:
    """Let others work for as long as is due after what was begun then."""
    end_if_abandoned()
    await asyncio.sleep(min(LONGEST_REST_S, AT_REST * (time.monotonic() - begun)))


async def _together(commits: AsyncIterator[Commit]) -> AsyncIterator[list[Commit]]:
    """Commits in lots of about ``FOLDED_AT_ONCE`` changes."""
    lot: list[Commit] = []
    changes = 0
    async for commit in commits:
        lot.append(commit)
        changes += len(commit.changes)
        if changes >= FOLDED_AT_ONCE:
            yield lot
            lot, changes = [], 0
    if lot:
        yield lot


def _sample(ended: Sequence[str]) -> tuple[str, ...]:
    """As many of them as a pass compares; which is no secret, and all have a chance."""
    if len(ended) <= SAMPLE:
        return tuple(ended)
    return tuple(random.sample(ended, SAMPLE))  # nosec B311


def _keys_of(commits: Iterable[Commit]) -> set[str]:
    """What must be remembered to fold these."""
    keys: set[str] = set()
    for change in (change for commit in commits for change in commit.changes):
        if change.collection in (WALLETS, TRANSFERS):
            keys.add(change.key)
        elif change.operation == INSERT and change.collection == JOURNAL:
            keys |= {str(change.fields.get(name)) for name in ("wallet_id", "transfer_id")}
        elif change.operation == INSERT and change.collection == FEED:
            keys.add(str(change.fields.get("event_id")))
    return keys


def _said(documents: dict[str, Fields], key: str, *names: str) -> tuple[object, ...]:
    return tuple(documents.get(key, {}).get(name) for name in names)


def _distinct(found: Iterable[Finding]) -> list[Finding]:
    """Each rule and subject once."""
    first: dict[tuple[Invariant, str], Finding] = {}
    for one in found:
        first.setdefault((one.invariant, one.subject_id), one)
    return list(first.values())[:FOUND_AT_MOST]
