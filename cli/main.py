"""The commands of ``payflow``."""

# ruff: noqa: PLC0415 - each command imports its own room: a worker must not wait for the demo.

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.errors import CliError, told_plainly
from cli.proof_app import app as proof
from cli.transfers_app import app as transfers
from payflow.settings import Settings

app = typer.Typer(
    help="Payments as sagas over books that balance.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they go to log files, and locals hold passwords
)
operators = typer.Typer(help="The people who repair sagas.", no_args_is_help=True)
app.add_typer(operators, name="operator")
webhooks = typer.Typer(help="Signed events to other people's programs.", no_args_is_help=True)
app.add_typer(webhooks, name="webhooks")
audit = typer.Typer(help="What operators did.", no_args_is_help=True)
app.add_typer(audit, name="audit")
app.add_typer(transfers, name="transfers")
app.add_typer(proof, name="proof")


@app.command()
@told_plainly
def up(
    apis: Annotated[int, typer.Option(min=0, help="API processes of their own.")] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Worker processes of their own.")] = 0,
    port: Annotated[
        list[str] | None, typer.Option(help="NAME=NUMBER for a server: --port temporal-ui=8233.")
    ] = None,
) -> None:
    """Run the whole stack, servers included, until Ctrl-C."""
    from cli.apps import Layout
    from cli.up import up as run

    run(Layout(apis=apis, workers=workers), port or [])


@app.command()
@told_plainly
def demo() -> None:
    """Show PayFlow at work on a stack of its own, and leave nothing behind."""
    from cli.demo import demo as run

    run()


@app.command()
@told_plainly
def serve() -> None:
    """Run the API, the worker and the relay in one process."""
    from cli.processes import run_serve

    _run(run_serve, has_api=True)


@app.command()
@told_plainly
def api() -> None:
    """Run the API alone."""
    from cli.processes import run_api

    _run(run_api, has_api=True)


@app.command()
@told_plainly
def worker() -> None:
    """Run the workers alone."""
    from cli.processes import run_worker

    _run(run_worker)


@app.command()
@told_plainly
def relay() -> None:
    """Run the relay alone."""
    from cli.processes import run_relay

    _run(run_relay)


@operators.command()
@told_plainly
def create(
    email: Annotated[str, typer.Option(help="Address they sign in with.")],
    password: Annotated[str, typer.Option(help="8 to 128 characters.")],
    name: Annotated[str, typer.Option(help="How they are called.")] = "Operator",
    promote: Annotated[
        bool, typer.Option("--promote", help="Make an operator of a user who has registered.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit log.")] = "",
) -> None:
    """Make an operator on the running stack of this data folder."""
    from cli.operators import NewOperator
    from cli.operators import create as run

    typer.echo(asyncio.run(run(NewOperator(email, password, name, promote, reason))))


@app.command()
@told_plainly
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    books: Annotated[bool, typer.Option(help="Prove the books too, which reads all.")] = True,
) -> None:
    """Examine the running stack: exit code 0 when no row is red, 1 when one is, 2 unreachable."""
    from cli.doctor.command import doctor as run

    raise typer.Exit(run(as_json=as_json, books=books))


@app.command()
@told_plainly
def replay(
    from_namespace: Annotated[
        bool, typer.Option("--from-namespace", help="Of the running stack's namespace.")
    ] = False,
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, help="Of each workflow type in each status.")
    ] = 20,
    query: Annotated[str, typer.Option(help="A Temporal list filter they match besides.")] = "",
) -> None:
    """Replay live histories with the code at hand: 0 all replay, 1 one does not, 2 unreachable."""
    from cli.replay import replay as run

    if not from_namespace:
        raise CliError("Say whose histories to replay: --from-namespace.", 2)
    raise typer.Exit(run(limit, query))


@app.command()
@told_plainly
def listen(
    forward_to: Annotated[str, typer.Option(help="URL of your program.")],
    email: Annotated[str, typer.Option(envvar="PAYFLOW_EMAIL", help="Whose events.")],
    password: Annotated[
        str, typer.Option(envvar="PAYFLOW_PASSWORD", prompt=True, hide_input=True, help="Theirs.")
    ],
    events: Annotated[str, typer.Option(help="Types, separated by commas; all if empty.")] = "",
    api_url: Annotated[str, typer.Option(help="The API; else the running stack's.")] = "",
) -> None:
    """Forward your events to a local program, signed like webhooks."""
    from cli.listen import Listener, api_url_of_running_stack
    from cli.listen import listen as run

    types = [one.strip() for one in events.split(",") if one.strip()]
    where = api_url or api_url_of_running_stack()
    with suppress(KeyboardInterrupt):
        asyncio.run(run(Listener(where, forward_to, types, email, password)))


@app.command()
@told_plainly
def verify(
    secret: Annotated[
        str | None, typer.Option(envvar="PAYFLOW_WEBHOOK_SECRET", help="Of a webhook: whsec_…")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option(help="Of a webhook: NAME:VALUE; all three webhook- ones.")
    ] = None,
    keys: Annotated[
        Path | None, typer.Option(help="Of a receipt: file with the JSON of GET /v1/proof/keys.")
    ] = None,
    root: Annotated[
        Path | None, typer.Option(help="Of a receipt: file with the published root to compare.")
    ] = None,
    body: Annotated[
        str, typer.Argument(help="File with the body or the receipt; - for standard input.")
    ] = "-",
) -> None:
    """Check a webhook's signature, or a receipt (--keys): 0 good, 1 not, 2 not to be read.

    A receipt is checked with the network off: its signature, its place in its day's root, and the
    root's signature.
    """
    if keys is not None:
        from cli.receipts import verify_receipt

        typer.echo(verify_receipt(body, keys, root))
        return
    if not secret or not header:
        raise CliError("Name a webhook's --secret and --header, or a receipt's --keys.", 2)
    from cli.webhooks import verify_message

    typer.echo(verify_message(header, body, secret))


@audit.command("verify")
@told_plainly
def verify_audit(
    head: Annotated[
        str, typer.Option(help="PLACE:HASH that an earlier run said, to see a lost end.")
    ] = "",
) -> None:
    """Check every line of the audit log against its chain: 0 when it is whole, 1 when not."""
    from cli.audit import verify

    typer.echo(asyncio.run(verify(head)))


@webhooks.command("rotate-keys")
@told_plainly
def rotate_keys() -> None:
    """Encrypt all signing secrets under the newest of PAYFLOW_WEBHOOK_KEYS."""
    from cli.webhooks import rotate_keys as run

    typer.echo(asyncio.run(run()))


@transfers.command()
@told_plainly
def timeline(
    transfer_id: Annotated[str, typer.Argument(help="trf_…")],
    svg: Annotated[
        Path | None, typer.Option(help="Write a picture (SVG) there, and print nothing else.")
    ] = None,
) -> None:
    """Show every step, attempt, entry, event, delivery and operator's act of a transfer."""
    from cli.timeline import timeline as run

    typer.echo(run(transfer_id, svg), nl=False)


def _run(
    process: Callable[[Settings], Coroutine[Any, Any, None]], *, has_api: bool = False
) -> None:
    from cli.configuration import load_settings
    from cli.startup import reason, require_address

    settings = load_settings()
    if sys.platform != "win32":
        from cli.open_files import raise_open_files_limit

        raise_open_files_limit()
    if has_api:
        require_address(settings)
    try:
        if sys.platform == "win32":
            asyncio.run(process(settings))
        else:
            import uvloop

            uvloop.run(process(settings))
    except Exception as error:
        found = reason(error, settings)
        if found is None:
            raise
        raise found from None


if __name__ == "__main__":
    app()
