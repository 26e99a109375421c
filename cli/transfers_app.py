"""The commands of ``payflow transfers``: find what stands still, and repair it."""

# ruff: noqa: PLC0415, PLR0913, PLR0917 - each command imports its own room; an option is a parameter

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import CliError, told_plainly

if TYPE_CHECKING:
    from cli.transfers import OperatorClient

app = typer.Typer(help="Find transfers that stand still, and repair them.", no_args_is_help=True)

Email = Annotated[
    str, typer.Option(envvar="PAYFLOW_EMAIL", prompt=True, help="The operator's, who asks.")
]
Password = Annotated[
    str, typer.Option(envvar="PAYFLOW_PASSWORD", prompt=True, hide_input=True, help="Theirs.")
]
ApiUrl = Annotated[str, typer.Option(help="The API; else the running stack's.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit log.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Do nothing; show what it would post.")]
Id = Annotated[str, typer.Argument(help="trf_…")]


@app.command("list")
@told_plainly
def list_(
    email: Email,
    password: Password,
    parked: Annotated[bool, typer.Option("--parked", help="Those that need attention.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    api_url: ApiUrl = "",
) -> None:
    """List transfers, newest first."""
    from itertools import islice

    from rich.console import Console

    from cli.transfers import table

    wanted = {"needs_attention": "true"} if parked else {}
    with operator_client(email, password, api_url) as client:
        found = list(islice(client.transfers(wanted), limit))
    if not found:
        typer.echo("There is none.")
        return
    Console(soft_wrap=True).print(table(found))


@app.command()
@told_plainly
def show(transfer_id: Id, email: Email, password: Password, api_url: ApiUrl = "") -> None:
    """Show one transfer."""
    from cli.transfers import api_path, described

    path = api_path("/v1/transfers/{}", transfer_id=transfer_id)
    with operator_client(email, password, api_url) as client:
        typer.echo("\n".join(described(client.ask("GET", path))))


@app.command()
@told_plainly
def retry(
    email: Email,
    password: Password,
    reason: Reason,
    transfer_id: Annotated[str, typer.Argument(help="trf_…; or --all.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Every parked transfer.")] = False,
    older_than: Annotated[str, typer.Option(help="With --all: unchanged for 90s, 10m, 2h.")] = "0s",
    yes: Annotated[bool, typer.Option("--yes", help="With --all: do not ask.")] = False,
    dry_run: DryRun = False,
    api_url: ApiUrl = "",
) -> None:
    """Run the pending step now: of one transfer, or with --all of every parked one.

    Exit code: 0 when all were taken, 1 when one was refused, 2 when the API did not answer.
    """
    if every == bool(transfer_id):
        raise CliError("Name one transfer, or say --all.")
    with operator_client(email, password, api_url) as client:
        if every:
            _retry_all(client, reason, older_than, yes=yes, dry_run=dry_run)
        else:
            _tell(client, transfer_id, "retry", {"reason": reason, "dry_run": dry_run})


@app.command()
@told_plainly
def refund(
    transfer_id: Id,
    email: Email,
    password: Password,
    reason: Reason,
    dry_run: DryRun = False,
    api_url: ApiUrl = "",
) -> None:
    """Settle the pending step and give the money back, unless it has landed."""
    with operator_client(email, password, api_url) as client:
        _tell(client, transfer_id, "refund", {"reason": reason, "dry_run": dry_run})


@app.command()
@told_plainly
def resolve(
    transfer_id: Id,
    email: Email,
    password: Password,
    reason: Reason,
    leg: Annotated[str, typer.Option(help="credit or refund.")],
    outcome: Annotated[str, typer.Option(help="settled_outside or not_done.")],
    evidence: Annotated[str, typer.Option(help="Where that can be seen.")],
    dry_run: DryRun = False,
    api_url: ApiUrl = "",
) -> None:
    """End a leg by what happened elsewhere; a second operator approves by the same command."""
    said = {"leg": leg, "outcome": outcome, "evidence": evidence}
    with operator_client(email, password, api_url) as client:
        _tell(client, transfer_id, "resolve", {**said, "reason": reason, "dry_run": dry_run})


@app.command()
@told_plainly
def pause(
    transfer_id: Id, email: Email, password: Password, reason: Reason, api_url: ApiUrl = ""
) -> None:
    """Try nothing more until it is resumed; the money stays where it is."""
    with operator_client(email, password, api_url) as client:
        _tell(client, transfer_id, "pause", {"reason": reason})


@app.command()
@told_plainly
def resume(
    transfer_id: Id, email: Email, password: Password, reason: Reason, api_url: ApiUrl = ""
) -> None:
    """Go on after a pause."""
    with operator_client(email, password, api_url) as client:
        _tell(client, transfer_id, "resume", {"reason": reason})


def operator_client(email: str, password: str, api_url: str) -> OperatorClient:
    """The API as the operator sees it; the running stack's where none is named."""
    from cli.listen import api_url_of_running_stack
    from cli.transfers import OperatorClient, SignIn
    from payflow.client import CallInvalid
    from payflow.client.clients import address_of

    try:
        where = address_of(api_url or api_url_of_running_stack(), "--api-url")
    except CallInvalid as error:
        raise CliError(f"{error}.") from None
    return OperatorClient(SignIn(where, email, password))


def _tell(client: OperatorClient, transfer_id: str, verb: str, said: dict[str, object]) -> None:
    from cli.transfers import told

    typer.echo("\n".join(told(client.verb(transfer_id, verb, said))))


def _retry_all(
    client: OperatorClient, reason: str, older_than: str, *, yes: bool, dry_run: bool
) -> None:
    from rich.console import Console

    from cli.transfers import age, parked, retry_all, table

    found = parked(client, age(older_than))
    console = Console(soft_wrap=True)
    if not found:
        typer.echo("No parked transfer is that old.")
        return
    console.print(table(found))
    if dry_run:
        typer.echo(f"{len(found)} would be retried.")
        return
    if not yes and not typer.confirm(f"Retry these {len(found)}?"):
        raise CliError("Nothing was done.")
    swept = retry_all(client, found, reason, console)
    typer.echo(swept.told())
    if swept.exit_code:
        raise typer.Exit(swept.exit_code)
