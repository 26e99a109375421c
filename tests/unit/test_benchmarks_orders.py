"""What a benchmark asks for: turns that rotate, orders that even out, batches that add up."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from benchmarks.__main__ import _options, _parser
from benchmarks.batching import TOO_MUCH, Carried, Request, net_minor, payments, with_one_impossible
from benchmarks.books import strayed_minor
from benchmarks.http_client import rendered
from benchmarks.jobs import Job, Order, Tally
from benchmarks.options import FULL, QUICK, SOAK_TRANSFERS, Options
from benchmarks.orders import dealt, into_one, out_of_one, spread
from benchmarks.rounds import by_short_turns, by_turns
from benchmarks.sections.batches import BATCH, EMPTY, SINGLE, speed_rows
from benchmarks.town import FUNDS, Purse, Resident, Town
from payflow.domain.batches import MAX_ITEMS
from payflow.domain.money import MAX_AMOUNT_MINOR


def town(wallets: int = 32, residents: int = 4) -> Town:
    people = [Resident(f"usr_{number}", f"token-{number}") for number in range(residents)]
    purses = [Purse(f"wal_{at}", people[at % residents]) for at in range(wallets + 1)]
    return Town(people, purses[1:], purses[0])


class Contest:
    """Contenders who note when they ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def among(self, names: str) -> dict[str, Callable[[], Awaitable[int]]]:
        return {name: self._contender(name) for name in names}

    def _contender(self, name: str) -> Callable[[], Awaitable[int]]:
        async def turn() -> int:
            self.ran.append(name)
            return len(self.ran)

        return turn


async def test_nobody_always_begins_nor_always_follows_the_same_rival() -> None:
    contest = Contest()

    results = await by_turns(contest.among("abc"), 4)

    assert "".join(contest.ran) == "abc" + "bca" + "cab" + "abc"
    assert results == {"a": [1, 6, 8, 10], "b": [2, 4, 9, 11], "c": [3, 5, 7, 12]}


async def test_short_turns_alternate_inside_a_round() -> None:
    contest = Contest()

    results = await by_short_turns(contest.among("ab"), 2)

    assert "".join(contest.ran) == "abba" * 4
    assert results == {
        "a": [[1, 4, 5, 8], [9, 12, 13, 16]],
        "b": [[2, 3, 6, 7], [10, 11, 14, 15]],
    }


def test_the_ring_pays_every_wallet_as_often_as_it_pays() -> None:
    orders = [order.body for mine in spread(town(), 5) for order in mine]

    for purse in town().purses:
        assert sum(f'"source_wallet_id": "{purse.wallet_id}"' in body for body in orders) == 1
        assert sum(f'"destination_wallet_id": "{purse.wallet_id}"' in body for body in orders) == 1


def test_the_hot_wallet_is_on_one_side_of_every_transfer() -> None:
    place = town()
    hot = place.hot.wallet_id

    into = [order.body for mine in into_one(place, 3) for order in mine]
    out = [order.body for mine in out_of_one(place, 3) for order in mine]

    assert all(f'"destination_wallet_id": "{hot}"' in body for body in into)
    assert all(f'"source_wallet_id": "{hot}"' in body for body in out)
    assert len(into) == len(out) == len(place.purses)


def test_dealing_loses_no_order() -> None:
    orders = [Order("GET", f"/{number}", "token", "") for number in range(7)]

    hands = dealt(orders, 3)

    assert [len(hand) for hand in hands] == [3, 2, 2]
    assert sorted(order.path for hand in hands for order in hand) == [f"/{n}" for n in range(7)]


def test_a_job_survives_its_line() -> None:
    job = Job("127.0.0.1", 8000, [[Order("POST", "/é", "token", "ok", '{"a": "\\n"}')]], 2.5)

    assert Job.from_line(job.to_line()) == job
    assert "\n" not in job.to_line()


def test_a_tally_counts_what_was_answered_inside_its_time() -> None:
    assert Tally(2.0, [1.0, 2.0, 3.0], answered=9, wrong=[]).per_second == 1.5


def test_a_request_has_its_key_last_and_its_length_in_bytes() -> None:
    head, tail = rendered(Order("POST", "/v1/x", "token", "", '{"a": 1}', "wait=30"), "host")

    assert head.startswith(b"POST /v1/x HTTP/1.1\r\n")
    assert head.endswith(b"\r\nIdempotency-Key: ")
    assert b"\r\nContent-Length: 8\r\n" in head
    assert tail == b'\r\n\r\n{"a": 1}'


def test_a_batch_is_paid_by_its_sender_to_others_and_never_to_itself() -> None:
    place = town()
    own = {purse.wallet_id for purse in place.purses if purse.owner is place.residents[0]}

    items = payments(place, 600)

    assert len(items) == 600
    assert {item.source_id for item in items} == own
    assert {item.destination_id for item in items} == {p.wallet_id for p in place.purses}
    assert all(item.source_id != item.destination_id for item in items)


@pytest.mark.parametrize("options", [FULL, QUICK], ids=lambda options: options.kind)
def test_nobody_runs_out_of_money_in_a_batch(options: Options) -> None:
    net = net_minor(payments(town(options.wallets, residents=16), options.batch))

    assert sum(net.values()) == 0
    assert min(net.values()) * (options.rounds + 3) > -FUNDS


def test_the_impossible_item_is_lawful_and_beyond_any_wallet() -> None:
    good = payments(town(), 10)

    bad = with_one_impossible(good)

    assert bad[:-1] == good[:-1]
    assert FUNDS * 100 < bad[-1].amount_minor == TOO_MUCH <= MAX_AMOUNT_MINOR


def test_a_lost_item_and_a_doubled_one_do_not_make_up_for_each_other() -> None:
    items = payments(town(), 50)
    before = {purse.wallet_id: FUNDS for purse in town().purses}
    wanted = net_minor(items)
    happened = net_minor([*items[1:], items[1]])

    right = {wallet: held + wanted.get(wallet, 0) for wallet, held in before.items()}
    wrong = {wallet: held + happened.get(wallet, 0) for wallet, held in before.items()}

    assert strayed_minor(before, right, wanted) == 0
    assert strayed_minor(before, wrong, wanted) > 0


def test_a_batch_is_sent_in_the_words_of_the_api() -> None:
    place = town()
    request = Request(place.residents[0], "atomic", payments(place, 1))

    assert b'"mode": "atomic"' in request.body
    assert b'"amount": 1, "currency": "USD"' in request.body


def test_a_batch_is_timed_over_all_its_items() -> None:
    carried = Carried("bat_1", "completed", {"total": 600, "completed": 600}, 1.5)

    assert (carried.answered, carried.per_second) == (600, 400.0)


@pytest.mark.parametrize(
    ("batch", "verdicts"),
    [
        (1000.0, ["aim reached", "aim reached"]),
        (
            900.0,
            ["aim reached", "missed, its alternative is reached: one of the two suffices"],
        ),
        (700.0, ["**missed**", "**missed**"]),
    ],
)
def test_twenty_times_single_or_eight_times_empty_suffices(
    batch: float, verdicts: list[str]
) -> None:
    rates = {BATCH: [batch], SINGLE: [45.0], EMPTY: [120.0]}

    assert [row.verdict for row in speed_rows(rates, FULL)] == verdicts


def test_a_small_batch_does_not_prove_what_a_large_one_must() -> None:
    rates = {BATCH: [1000.0], SINGLE: [10.0], EMPTY: [10.0]}

    verdicts = [row.verdict for row in speed_rows(rates, QUICK)]

    assert verdicts == ["aim reached, but only with 600 of 10,000 items"] * 2


def test_a_full_run_sends_the_largest_batch_there_is() -> None:
    assert FULL.batch == MAX_ITEMS


def test_asking_for_nothing_is_a_full_run_of_everything() -> None:
    arguments = _parser().parse_args([])

    assert _options(arguments) == FULL
    assert arguments.only is None


def test_what_is_asked_for_lies_over_the_kind_of_run() -> None:
    asked = ["--quick", "--rounds", "3", "--seconds", "1.5", "--only", "batches", "speed"]
    arguments = _parser().parse_args(asked)

    assert _options(arguments) == replace(QUICK, rounds=3, seconds=1.5)
    assert arguments.only == ["batches", "speed"]


def test_a_soak_is_a_full_run_with_fifty_thousand_transfers() -> None:
    options = _options(_parser().parse_args(["--soak"]))

    assert (options.kind, options.transfers) == ("soak", SOAK_TRANSFERS)
    assert options.rounds == FULL.rounds


def test_a_section_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _parser().parse_args(["--only", "nonsense"])

    assert "nonsense" in capsys.readouterr().err
