"""``payflow transfers``: an operator's verbs through the API, which knows who asks.

Not straight to Temporal: there anybody can claim to be anybody, and four eyes would be two.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

import httpx
from rich.console import Console
from rich.progress import track
from rich.table import Table

from cli.errors import UNREACHABLE, CliError
from payflow.client.call import path_of
from payflow.client.errors import CallInvalid, problem_of
from payflow.domain.json_text import JsonInvalid, parse_json, printable
from payflow.storage.identity import SystemClock

Json = dict[str, Any]

ANSWERS_WITHIN_S = 15.0  # a verb takes up to 5 s
PAGE = 100
LOGIN = "/v1/auth/login"
EXPIRED = 401  # the token has ended (15 minutes), or its signing key was taken out
_AGE = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True)
class SignIn:
    """Where the API is, and who asks."""

    api_url: str
    email: str
    password: str


class OperatorClient:
    """The API, as the operator who signed in sees it.

    Raises:
        CliError: the API does not answer, or refuses; in its own words.
    """

    def __init__(self, who: SignIn, *, transport: httpx.BaseTransport | None = None) -> None:
        self._who = who
        self._http = httpx.Client(
            base_url=who.api_url, timeout=ANSWERS_WITHIN_S, trust_env=False, transport=transport
        )

    def __enter__(self) -> Self:
        self._sign_in()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Json:
        """The answer to one request; an access token that has ended is renewed once."""
        answer = self._send(method, path, body, query)
        if answer.status_code == EXPIRED and path != LOGIN:
            self._sign_in()
            answer = self._send(method, path, body, query)
        return self._understood(answer)

    def _sign_in(self) -> None:
        self._http.headers.pop("Authorization", None)
        body = {"email": self._who.email, "password": self._who.password}
        tokens = self.ask("POST", LOGIN, body=body)
        self._http.headers["Authorization"] = f"Bearer {tokens['access_token']}"

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        query: Mapping[str, str] | None,
    ) -> httpx.Response:
        try:
            return self._http.request(method, path, json=body, params=query)
        except httpx.HTTPError as error:
            raise CliError(
                f"The API at {self._who.api_url} does not answer ({type(error).__name__}): is it "
                "running?",
                UNREACHABLE,
            ) from None

    def _understood(self, answer: httpx.Response) -> Json:
        problem = None if answer.is_success else problem_of(answer)
        try:
            found = parse_json(answer.content)
        except JsonInvalid:
            found = None
        if not isinstance(found, dict) or (problem and problem.code == "unknown"):
            raise CliError(f"{self._who.api_url} is no PayFlow API.", UNREACHABLE)
        if problem:
            fields = [f"\n  {one['field']}: {one['message']}" for one in problem.errors]
            raise CliError(printable(f"{problem.detail} ({problem.code})") + "".join(fields))
        return found

    def verb(self, transfer_id: str, verb: str, said: Mapping[str, Any]) -> Json:
        """What a verb came to: the transfer, a preview, or an approval that is pending."""
        path = api_path("/v1/transfers/{}/{}", transfer_id=transfer_id, verb=verb)
        return self.ask("POST", path, body=said)

    def transfers(self, wanted: Mapping[str, str]) -> Iterator[Json]:
        """The transfers of a list, newest first, page by page."""
        for page in self.pages("/v1/transfers", {**wanted, "limit": str(PAGE)}):
            yield from page

    def pages(self, path: str, wanted: Mapping[str, str]) -> Iterator[list[Json]]:
        """The pages of a list, in its order."""
        query = dict(wanted)
        while True:
            page = self.ask("GET", path, query=query)
            yield page["data"]
            if not page["has_more"]:
                return
            query["cursor"] = page["next_cursor"]


def api_path(template: str, **ids: str) -> str:
    """The path with the ids in their places.

    Raises:
        CliError: one is no id; put into a path, it would name something else.
    """
    try:
        return path_of(template, **ids)
    except CallInvalid as error:
        raise CliError(f"{error}.") from None


@dataclass(frozen=True, slots=True)
class Sweep:
    """What became of many retries: how many were taken, and which were not, and why.

    ``exit_code``: 0 when all were taken, 1 when one was refused, 2 when one was not answered.
    """

    done: int = 0
    refused: Mapping[str, CliError] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """The worst of all."""
        return max((one.exit_code for one in self.refused.values()), default=0)

    def told(self) -> str:
        """The summary, and a line for each that was not retried."""
        lines = [f"  {transfer_id}: {why}" for transfer_id, why in self.refused.items()]
        return "\n".join([f"{self.done} retried, {len(self.refused)} refused.", *lines])


def parked(client: OperatorClient, older_than: timedelta = timedelta(0)) -> list[Json]:
    """The transfers that need attention and have not changed for so long, newest first."""
    before = SystemClock().now() - older_than
    found = client.transfers({"needs_attention": "true"})
    return [one for one in found if datetime.fromisoformat(one["updated_at"]) <= before]


def retry_all(
    client: OperatorClient, transfers: Sequence[Json], reason: str, console: Console
) -> Sweep:
    """Retry them one after the other, under a bar that shows how far it is."""
    done, refused = 0, dict[str, CliError]()
    for one in track(transfers, description="Retrying", console=console):
        try:
            client.verb(one["id"], "retry", {"reason": reason})
        except CliError as refusal:
            refused[one["id"]] = refusal
        else:
            done += 1
    return Sweep(done, refused)


def age(text: str) -> timedelta:
    """A span such as ``90s``, ``10m``, ``2h`` or ``1d``.

    Raises:
        CliError: it is none.
    """
    found = _AGE.fullmatch(text)
    if found is None:
        raise CliError(f"{text!r} is no span of time: write a number and s, m, h or d, as in 10m.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def table(transfers: Sequence[Json]) -> Table:
    """Transfers for people: an amount is in minor units, as everywhere."""
    columns: dict[str, Callable[[Json], str]] = {
        "Transfer": lambda one: str(one["id"]),
        "State": lambda one: f"{one['status']}{', parked' if one['needs_attention'] else ''}",
        "Amount": lambda one: f"{one['amount']} {one['currency']}",
        "Since": lambda one: str(one["updated_at"]),
    }
    made = Table(box=None, pad_edge=False)
    for name in columns:
        made.add_column(name, no_wrap=True)
    for one in transfers:
        made.add_row(*(cell(one) for cell in columns.values()))
    return made


def told(answer: Json) -> list[str]:
    """What came of a verb, line by line."""
    if answer["object"] == "approval":
        hours = answer["lapses_in_s"] // 3600
        return [f"Proposed. Another operator must send the same within {hours} hours."]
    if answer["object"] == "preview":
        return ["It would post:", *_planned(answer["entries"])]
    state = str(answer["status"])
    if answer["refunded"]:
        state += ", the money was given back"
    if answer["needs_attention"]:
        state += ", and needs attention still"
    return [f"{answer['id']} is {state}."]


def described(transfer: Json) -> list[str]:
    """A transfer, line by line."""
    failure = transfer["failure"] or {}
    return [
        *told(transfer),
        f"  amount    {transfer['amount']} {transfer['currency']} (minor units)",
        f"  from      {transfer['source_wallet_id']}",
        f"  to        {transfer['destination_wallet_id']}",
        f"  workflow  {transfer['workflow_id']}",
        f"  changed   {transfer['updated_at']}",
        *([f"  failed    {failure['code']}: {failure['message']}"] if failure else []),
    ]


def _planned(entries: Sequence[Json]) -> Iterator[str]:
    if not entries:
        yield "  nothing"
    for entry in entries:
        yield f"  {entry['key']}  {entry['outcome']}  {entry['code'] or ''}".rstrip()
        for posting in entry["postings"]:
            yield f"    {posting['amount']:+d}  {posting['account']}"
