"""The commands of ``payflow proof``: show the last proof, list what was found, close it."""

# ruff: noqa: PLC0415 - each command imports its own modules

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import told_plainly
from cli.transfers_app import ApiUrl, Email, Password, Reason, operator_client

if TYPE_CHECKING:
    from cli.transfers import Json

app = typer.Typer(
    help="The proof of the books: exit code 0 when it is ok, 1 when it is violated, stale or none.",
    invoke_without_command=True,
)


@app.callback()
@told_plainly
def show(
    context: typer.Context,
    full: Annotated[bool, typer.Option("--full", help="Check everything first; minutes.")] = False,
) -> None:
    """Show the last proof: exit code 0 when it is ok, 1 when it is violated or stale."""
    if context.invoked_subcommand is not None:
        return
    from cli.proof import proof as run

    shown = run(full=full)
    typer.echo(shown.text)
    if shown.is_stale:
        typer.echo("The proof is stale: no pass has ended for three intervals.", err=True)
    raise typer.Exit(0 if shown.is_ok else 1)


@app.command()
@told_plainly
def findings(
    email: Email,
    password: Password,
    every: Annotated[bool, typer.Option("--all", help="Those that are closed as well.")] = False,
    api_url: ApiUrl = "",
) -> None:
    """List what the proof has found and nobody has closed: exit code 1 when there is any."""
    from cli.transfers import PAGE

    query = {"limit": str(PAGE)} | ({} if every else {"status": "open"})
    with operator_client(email, password, api_url) as client:
        found = client.pages("/v1/proof/findings", query)
        listed = [one for page in found for one in page]
    for one in listed:
        typer.echo("\n".join(_lines(one)))
    still_open = sum(one["status"] == "open" for one in listed)
    typer.echo(f"{still_open} open.")
    raise typer.Exit(1 if still_open else 0)


@app.command()
@told_plainly
def close(
    finding_id: Annotated[str, typer.Argument(help="fnd_…")],
    email: Email,
    password: Password,
    reason: Reason,
    api_url: ApiUrl = "",
) -> None:
    """Close a finding that is understood and put right; the next pass checks everything."""
    from cli.transfers import api_path

    with operator_client(email, password, api_url) as client:
        path = api_path("/v1/proof/findings/{}/close", finding_id=finding_id)
        closed = client.ask("POST", path, body={"reason": reason})
    typer.echo("\n".join(_lines(closed)))


def _lines(one: Json) -> list[str]:
    lines = [
        f"{one['id']}  {one['status']}  {one['invariant']}  {one['subject_id']}",
        f"  {one['detail']}",
        f"  first in proof {one['first_proof']}, last found again in {one['last_proof']}",
    ]
    if one["wallet_ids"]:
        lines.append(f"  frozen because of it: {', '.join(one['wallet_ids'])}")
    if one["reason"] is not None:
        lines.append(f"  closed at {one['closed_at']} by {one['closed_by']}: {one['reason']}")
    return lines
