"""Whatever legs come in whatever order and groups, the books balance."""

from collections import defaultdict
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from payflow.domain.ledger import JournalEntry, Leg, LegRequest, Snapshot, Tombstone, decide
from payflow.domain.transfers import FailureCode, Transfer
from payflow.domain.wallets import Wallet, WalletStatus
from tests.fakes import START, InMemoryBooks, transfer, wallet

WALLETS = ["wal_A", "wal_B", "wal_C"]
TRANSFERS = [f"trf_{n}" for n in range(4)]
VOID = Tombstone(FailureCode.CANCELLED_BY_OPERATOR, "usr_OPERATOR", "property")


@st.composite
def worlds(draw: st.DrawFn) -> tuple[dict[str, Wallet], dict[str, Transfer]]:
    wallets = {
        name: wallet(
            name,
            draw(st.integers(0, 300)),
            status=draw(st.sampled_from([WalletStatus.ACTIVE] * 3 + [WalletStatus.FROZEN])),
        )
        for name in WALLETS
    }
    transfers = {}
    for name in TRANSFERS:
        source, destination = draw(st.permutations(WALLETS))[:2]
        transfers[name] = transfer(
            draw(st.integers(1, 200)),
            name,
            source_wallet_id=source,
            destination_wallet_id=destination,
        )
    return wallets, transfers


@st.composite
def legs(draw: st.DrawFn) -> LegRequest:
    leg = draw(st.sampled_from(list(Leg)))
    how = draw(st.sampled_from(["take", "take", "take", "void", "reject"]))
    return LegRequest(
        draw(st.sampled_from(TRANSFERS)),
        leg,
        VOID if how == "void" and leg.can_be_refused else None,
        rejected=how == "reject" and leg.can_be_refused,
    )


def play(
    world: tuple[dict[str, Wallet], dict[str, Transfer]], groups: Sequence[Sequence[LegRequest]]
) -> tuple[InMemoryBooks, list[str]]:
    books = InMemoryBooks()
    books.wallets, books.transfers = dict(world[0]), dict(world[1])
    answers = []
    for group in groups:
        snapshot = Snapshot(books.transfers, books.wallets, books.journal)
        verdict = decide(group, snapshot, START)
        answers += [repr(answer) for answer in verdict.answers]
        for entry in verdict.entries:
            books.write(entry)
    return books, answers


@given(worlds(), st.lists(legs(), max_size=60))
def test_the_books_balance_after_every_leg(
    world: tuple[dict[str, Wallet], dict[str, Transfer]], requests: list[LegRequest]
) -> None:
    opening = sum(w.balance for w in world[0].values())
    books, _ = play(world, [[request] for request in requests])
    transit: defaultdict[str, int] = defaultdict(int)
    balances = {name: w.balance for name, w in world[0].items()}
    sequences: defaultdict[str, int] = defaultdict(int)
    for entry in books.entries:
        _fold(entry, balances, transit, sequences)
        assert sum(balances.values()) + sum(transit.values()) == opening
        assert min(balances.values()) >= 0
        moved = entry.transfer
        in_transit = moved.money.amount_minor if moved.status.has_money_in_transit else 0
        assert transit[f"transit:{moved.id}"] == in_transit
    assert balances == {name: w.balance for name, w in books.wallets.items()}


def _fold(
    entry: JournalEntry,
    balances: dict[str, int],
    transit: defaultdict[str, int],
    sequences: defaultdict[str, int],
) -> None:
    for posting in entry.postings:
        if posting.account.startswith("transit:"):
            transit[posting.account] += posting.amount
        else:
            balances[posting.account] += posting.amount
            sequences[posting.account] += 1
            assert entry.change is not None
            assert entry.change.wallet_sequence == sequences[posting.account]
            assert entry.change.balance_after == balances[posting.account]


@given(worlds(), st.lists(legs(), max_size=60), st.lists(st.integers(1, 12), max_size=30))
def test_grouped_and_one_by_one_give_the_same_books(
    world: tuple[dict[str, Wallet], dict[str, Transfer]],
    requests: list[LegRequest],
    sizes: list[int],
) -> None:
    groups, rest = [], list(requests)
    for size in [*sizes, max(len(rest), 1)]:
        groups.append(rest[:size])
        rest = rest[size:]
    one_by_one, answers = play(world, [[request] for request in requests])
    grouped, same_answers = play(world, groups)
    assert same_answers == answers
    assert grouped.entries == one_by_one.entries
    assert grouped.wallets == one_by_one.wallets
    assert grouped.transfers == one_by_one.transfers


@given(worlds(), st.lists(legs(), max_size=40))
def test_a_leg_asked_again_gets_its_first_answer(
    world: tuple[dict[str, Wallet], dict[str, Transfer]],
    requests: list[LegRequest],
) -> None:
    books, _ = play(world, [requests])
    entries, journal = list(books.entries), dict(books.journal)
    answered = [request for request in requests if request.key in journal]
    snapshot = Snapshot(books.transfers, books.wallets, books.journal)
    verdict = decide(answered, snapshot, START)
    assert verdict.answers == [journal[request.key] for request in answered]
    assert books.entries == entries
