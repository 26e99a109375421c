"""Wallets, transfers and keys as a few dicts, walked at random beside the real API.

Hypothesis is synchronous, so is the client. Each walk has wallets of its own; Alice, who owns
them, and the operator are the same throughout.
"""

import itertools
import time
from dataclasses import dataclass, field
from typing import Any, ClassVar

import httpx
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    multiple,
    precondition,
    rule,
)

from tests.e2e.bank import Json, Person, new_key

ACTIVE, FROZEN, CLOSED = "active", "frozen", "closed"
AMOUNTS = st.integers(1, 120)
ENDS_WITHIN_S = 30.0
_numbers = itertools.count()


@dataclass
class Bench:
    """Who asks, where, and how time passes."""

    http: httpx.Client
    alice: Person
    operator: Person
    parks_within_s: float | None = None  # None: time is not let pass
    steps: int = 0

    def ask(self, method: str, path: str, who: Person, **sent: Any) -> httpx.Response:
        """One request, which is never a 5xx."""
        self.steps += 1
        headers = {**who.headers, **sent.pop("headers", {})}
        answer = self.http.request(method, path, headers=headers, **sent)
        assert answer.status_code < 500, answer.text
        return answer


@dataclass
class Sent:
    """A request that was made under a key, and what came of it."""

    path: str
    body: Json
    key: str
    id: str


@dataclass
class Account:
    """What the model knows of a wallet."""

    balance: int = 0
    status: str = ACTIVE


@dataclass
class Pending:
    """A transfer whose credit does not answer: its amount is in transit."""

    id: str
    source: str
    destination: str
    amount: int
    parked: bool = False


@dataclass
class Model:
    """All of a walk."""

    accounts: dict[str, Account] = field(default_factory=dict)
    transfers: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    pending: Pending | None = None


class BankMachine(RuleBasedStateMachine):
    """Each rule asks the API and the model the same."""

    bench: ClassVar[Bench]
    wallets: Bundle[str] = Bundle("wallets")
    keys: Bundle[Sent] = Bundle("keys")

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()

    @initialize(target=wallets, balances=st.lists(AMOUNTS, min_size=2, max_size=2))
    def open_two(self, balances: list[int]) -> Any:
        made = [self._open() for _ in balances]
        for wallet, balance in zip(made, balances, strict=True):
            assert self._move("deposit", wallet, balance, new_key()).status_code == 201
            self.model.accounts[wallet].balance += balance
        return multiple(*made)

    @rule(target=wallets)
    def open_one(self) -> str:
        return self._open()

    @rule(
        target=keys, wallet=wallets, amount=AMOUNTS, kind=st.sampled_from(["deposit", "withdrawal"])
    )
    def move(self, wallet: str, amount: int, kind: str) -> Any:
        account, key = self.model.accounts[wallet], new_key()
        answer = self._move(kind, wallet, amount, key)
        change = amount if kind == "deposit" else -amount
        refusal = _not_active(account) or (
            "insufficient_funds" if account.balance + change < 0 else None
        )
        if refusal is not None:
            assert (answer.status_code, answer.json()["code"]) == (409, refusal)
            return multiple()
        account.balance += change
        said = answer.json()
        assert (answer.status_code, said["balance_after"]) == (201, account.balance)
        return Sent(_moves(kind, wallet), _money(amount), key, said["id"])

    @rule(target=keys, source=wallets, destination=wallets, amount=AMOUNTS)
    def pay(self, source: str, destination: str, amount: int) -> Any:
        key, body = new_key(), _order(source, destination, amount)
        answer = self._send(body, key)
        if source == destination:
            assert (answer.status_code, answer.json()["code"]) == (422, "same_wallet")
            return multiple()
        ended = self._ended(answer.json())
        self._expect(ended, *self._paid(source, destination, amount))
        return Sent("/v1/transfers", body, key, ended["id"])

    @rule(
        target=keys,
        source=wallets,
        destination=wallets,
        amount=AMOUNTS,
        step=st.sampled_from(["debit", "credit"]),
    )
    def pay_while_a_step_is_rejected(
        self, source: str, destination: str, amount: int, step: str
    ) -> Any:
        if source == destination or self.model.pending is not None:
            return multiple()
        self._rehearse({"step": step, "failure_type": "reject", "failure_rate": 1})
        key, body = new_key(), _order(source, destination, amount)
        ended = self._ended(self._send(body, key).json())
        self._end_rehearsal()
        self._expect(ended, *self._paid(source, destination, amount, rejected=step))
        return Sent("/v1/transfers", body, key, ended["id"])

    @rule(sent=keys)
    def ask_again(self, sent: Sent) -> None:
        answer = self._post(sent.path, sent.body, sent.key)
        assert answer.headers["Idempotent-Replayed"] == "true"
        assert (answer.status_code, answer.json()["id"]) == (201, sent.id)

    @rule(sent=keys)
    def ask_another_thing_under_the_key(self, sent: Sent) -> None:
        answer = self._post(sent.path, {**sent.body, "amount": 121}, sent.key)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")

    @rule(wallet=wallets, verb=st.sampled_from(["freeze", "unfreeze"]))
    def freeze_or_thaw(self, wallet: str, verb: str) -> None:
        account = self.model.accounts[wallet]
        answer = self._as_operator("POST", f"/v1/wallets/{wallet}/{verb}")
        if account.status == CLOSED:
            assert (answer.status_code, answer.json()["code"]) == (409, "wallet_closed")
            return
        account.status = FROZEN if verb == "freeze" else ACTIVE
        assert (answer.status_code, answer.json()["status"]) == (200, account.status)

    @rule(wallet=wallets)
    def close(self, wallet: str) -> None:
        account, pending = self.model.accounts[wallet], self.model.pending
        answer = self._as_operator("POST", f"/v1/wallets/{wallet}/close")
        under_way = pending is not None and pending.source == wallet
        if account.status != CLOSED and (account.balance or under_way):
            assert (answer.status_code, answer.json()["code"]) == (409, "wallet_in_use")
            return
        account.status = CLOSED  # what is closed may be closed again
        assert (answer.status_code, answer.json()["status"]) == (200, CLOSED)

    @precondition(lambda self: self.model.pending is None)
    @rule(source=wallets, destination=wallets, amount=AMOUNTS)
    def pay_while_the_credit_is_silent(self, source: str, destination: str, amount: int) -> None:
        account = self.model.accounts[source]
        if source == destination or account.status != ACTIVE or account.balance < amount:
            return
        answer = self._rehearsed(source, destination, amount)
        account.balance -= amount
        self.model.pending = Pending(answer["id"], source, destination, amount)

    @precondition(lambda self: self.model.pending is not None)
    @rule()
    def give_back(self) -> None:
        pending = self._settle()
        answer = self._verb(pending.id, "refund")
        self._end_rehearsal()
        assert answer.status_code == 200, answer.text
        ended = self._ended(answer.json())
        self.model.accounts[pending.source].balance += pending.amount
        self._expect(ended, "failed", "cancelled_by_operator")

    @precondition(lambda self: self.model.pending is not None)
    @rule()
    def let_it_go_on(self) -> None:
        pending = self._settle()
        self._end_rehearsal()
        answer = self._verb(pending.id, "retry")
        assert answer.status_code == 200 or answer.json()["code"] == "nothing_to_retry"
        ended = self._ended({"id": pending.id, "status": ""})
        open_one = self.model.accounts[pending.destination].status == ACTIVE
        lands = pending.destination if open_one else pending.source
        self.model.accounts[lands].balance += pending.amount
        outcome = ("completed", None) if open_one else ("failed", "destination_unavailable")
        self._expect(ended, *outcome)

    @precondition(lambda self: self.bench.parks_within_s and self.model.pending)
    @rule()
    def let_time_pass(self) -> None:
        """Until the saga is parked: an operator's matter, and its money is where it was."""
        pending, deadline = self.model.pending, time.monotonic() + (self.bench.parks_within_s or 0)
        assert pending is not None
        while not pending.parked:
            assert time.monotonic() < deadline, f"{pending.id} was not parked"
            found = self._get(f"/v1/transfers/{pending.id}")
            assert found["status"] == "debited"
            pending.parked = found["needs_attention"]
            time.sleep(0.05)

    @rule(wallet=wallets)
    def look(self, wallet: str) -> None:
        account, seen = self.model.accounts[wallet], self._get(f"/v1/wallets/{wallet}")
        assert (seen["balance"], seen["status"]) == (account.balance, account.status)

    def teardown(self) -> None:
        """Let nothing hang, and look at everything once more."""
        if self.model.pending is not None:
            self.give_back()
        for wallet in self.model.accounts:
            self.look(wallet)
        for transfer_id, expected in self.model.transfers.items():
            found = self._get(f"/v1/transfers/{transfer_id}")
            assert (found["status"], (found["failure"] or {}).get("code")) == expected

    def _paid(
        self, source: str, destination: str, amount: int, rejected: str = ""
    ) -> tuple[str, str | None]:
        """How the model's payment ends."""
        payer, payee = self.model.accounts[source], self.model.accounts[destination]
        if payer.status != ACTIVE:
            return "failed", _not_active(payer)
        if rejected == "debit":
            return "failed", "debit_rejected"
        if payer.balance < amount:
            return "failed", "insufficient_funds"
        if payee.status != ACTIVE:
            return "failed", "destination_unavailable"
        if rejected == "credit":
            return "failed", "credit_rejected"
        payer.balance -= amount
        payee.balance += amount
        return "completed", None

    def _expect(self, ended: Json, status: str, code: str | None) -> None:
        assert (ended["status"], (ended["failure"] or {}).get("code")) == (status, code)
        self.model.transfers[ended["id"]] = (status, code)

    def _rehearsed(self, source: str, destination: str, amount: int) -> Json:
        self._rehearse({"step": "credit", "failure_type": "error", "failure_rate": 1})
        sent: Json = self._send(_order(source, destination, amount), new_key(), wait=False).json()
        self._until(sent["id"], "debited")
        silent = {"step": "credit", "failure_type": "error", "failure_rate": 1}
        self._rehearse({**silent, "transfer_ids": [sent["id"]]})
        return sent

    def _settle(self) -> Pending:
        pending, self.model.pending = self.model.pending, None
        assert pending is not None
        return pending

    def _open(self) -> str:
        body = {"currency": "USD", "name": f"walk {next(_numbers)}"}
        answer = self.bench.ask("POST", "/v1/wallets", self.bench.alice, json=body)
        assert answer.status_code == 201, answer.text
        wallet = str(answer.json()["id"])
        self.model.accounts[wallet] = Account()
        return wallet

    def _move(self, kind: str, wallet: str, amount: int, key: str) -> httpx.Response:
        return self._post(_moves(kind, wallet), _money(amount), key)

    def _send(self, body: Json, key: str, *, wait: bool = True) -> httpx.Response:
        return self._post("/v1/transfers", body, key, wait=wait)

    def _post(self, path: str, body: Json, key: str, *, wait: bool = True) -> httpx.Response:
        headers = {"Idempotency-Key": key}
        if wait and path == "/v1/transfers":
            headers["Prefer"] = "wait=10"
        return self.bench.ask("POST", path, self.bench.alice, json=body, headers=headers)

    def _get(self, path: str) -> Json:
        found: Json = self.bench.ask("GET", path, self.bench.alice).json()
        return found

    def _ended(self, said: Json) -> Json:
        if said["status"] in ("completed", "failed"):
            return said
        return self._until(said["id"], "completed", "failed")

    def _until(self, transfer_id: str, *states: str) -> Json:
        deadline = time.monotonic() + ENDS_WITHIN_S
        while (found := self._get(f"/v1/transfers/{transfer_id}"))["status"] not in states:
            assert time.monotonic() < deadline, found
            time.sleep(0.02)
        return found

    def _verb(self, transfer_id: str, verb: str) -> httpx.Response:
        body = {"reason": "the model says so"}
        return self._as_operator("POST", f"/v1/transfers/{transfer_id}/{verb}", json=body)

    def _rehearse(self, *rules: Json) -> None:
        body = {"enabled": True, "rules": list(rules)}
        assert self._as_operator("PUT", "/v1/simulation", json=body).status_code == 200

    def _end_rehearsal(self) -> None:
        assert self._as_operator("DELETE", "/v1/simulation").status_code == 204

    def _as_operator(self, method: str, path: str, **sent: Any) -> httpx.Response:
        return self.bench.ask(method, path, self.bench.operator, **sent)


def _not_active(account: Account) -> str | None:
    return {FROZEN: "wallet_frozen", CLOSED: "wallet_closed"}.get(account.status)


def _moves(kind: str, wallet: str) -> str:
    return f"/v1/wallets/{wallet}/{kind}s"


def _money(amount: int) -> Json:
    return {"amount": amount, "currency": "USD"}


def _order(source: str, destination: str, amount: int) -> Json:
    ends = {"source_wallet_id": source, "destination_wallet_id": destination}
    return {**ends, **_money(amount)}
