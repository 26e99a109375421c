"""``payflow demo``: the product in seven acts, on a stack of its own, leaving nothing behind."""

import asyncio
import secrets
import time

from rich.console import Console

from cli.apps import Layout
from cli.binaries import require_posix
from cli.configuration import load_settings
from cli.demo_bank import TERMINAL, Bank, Person
from cli.demo_folder import passing_folder
from cli.demo_show import Show
from cli.demo_webhook import open_subscriber
from cli.errors import CliError
from cli.open_files import raise_open_files_limit
from cli.operators import NewOperator, create_operator
from cli.proof import run_pass
from cli.reporter import reporter_for
from cli.stack import EmbeddedStack, StackOptions
from cli.up import stop_on_signals
from payflow.proof.books import prove_books
from payflow.settings import Settings
from payflow.storage.connection import open_client
from temporal.client import connect

INTERRUPTED = 130  # what shells report of a program that Ctrl-C ended


def demo() -> None:
    """Show everything, stop everything."""
    require_posix()
    raise_open_files_limit()
    asyncio.run(_on_a_stack_of_its_own())


async def _on_a_stack_of_its_own() -> None:
    settings = load_settings({"env": "dev"})
    console = Console()
    try:
        async with passing_folder(settings.data_dir) as folder:
            # Processes apart, so that the worker can be killed and the API still answers.
            layout = Layout(apis=1, workers=1)
            # The subscriber of the last act listens on this machine.
            env = {"PAYFLOW_ENV": "dev", "PAYFLOW_WEBHOOK_ALLOW_PRIVATE": "true"}
            options = StackOptions(folder, layout=layout, env=env)
            stack = EmbeddedStack(options, reporter_for(console))
            stop_on_signals(stack)
            async with stack, Bank(stack.addresses.api_url) as bank:
                await _play(stack, settings, Show(console, bank))
    except asyncio.CancelledError:
        raise CliError("Stopped.", INTERRUPTED) from None


async def _play(stack: EmbeddedStack, settings: Settings, show: Show) -> None:
    show.act("Two people and an operator")
    alice, bob = await _register(show, "Alice"), await _register(show, "Bob")
    operator = await _operator(stack, settings, show)
    await show.fund(alice, 100_00)
    show.say(f"Alice deposits {show.money(100_00)}.")
    await show.balances()

    await _a_transfer(show, alice, bob)
    await _a_refusal(show, alice, bob)
    await _a_compensation(show, alice, bob, operator)
    await _a_killed_worker(stack, show, alice, bob, operator)
    await _a_webhook(show, alice, bob)
    await _the_books(stack, show)

    show.act("Where to look")
    show.say(
        f"This stack ends now. `make up` keeps one running, with the API's documentation "
        f"(here it was {stack.addresses.api_url}/docs)",
        f"and every transfer's workflow in the Temporal UI ({stack.addresses.temporal_ui_url}).",
    )


async def _a_transfer(show: Show, alice: Person, bob: Person) -> None:
    show.act(
        f"A transfer: Alice sends Bob {show.money(12_50)}",
        "Debit, credit and post are steps of a workflow; each is one transaction in the books.",
    )
    transfer = await show.bank.send(alice, bob, 12_50, show.currency)
    await show.outcome(transfer, status="completed")


async def _a_refusal(show: Show, alice: Person, bob: Person) -> None:
    show.act(
        f"A refusal: Alice sends Bob {show.money(5_000_00)}",
        "She does not have it. That is an outcome, recorded like any other, not an error.",
    )
    transfer = await show.bank.send(alice, bob, 5_000_00, show.currency)
    await show.outcome(transfer, status="failed", code="insufficient_funds")


async def _a_compensation(show: Show, alice: Person, bob: Person, operator: Person) -> None:
    show.act(
        f"A compensation: Bob's side refuses {show.money(20_00)} that Alice has paid",
        "The debit is done when the credit is refused: the money goes home.",
    )
    await show.bank.rehearse(operator, step="credit", failure_type="reject")
    transfer = await show.bank.send(alice, bob, 20_00, show.currency)
    await show.bank.end_rehearsal(operator)
    await show.outcome(transfer, status="failed", code="credit_rejected")
    if await show.kinds_of(transfer) != ["debit", "refund"]:
        raise CliError(f"{transfer['id']} was not debited and refunded.")


async def _a_killed_worker(
    stack: EmbeddedStack, show: Show, alice: Person, bob: Person, operator: Person
) -> None:
    show.act(
        f"A kill: the worker dies while {show.money(7_25)} is on its way",
        "The credit fails for a while; Alice is debited; then the only worker is killed (-9).",
    )
    await show.bank.rehearse(operator, step="credit", failure_type="error")
    transfer = await show.bank.send(alice, bob, 7_25, show.currency, wait=False)
    await show.bank.watch(alice, transfer, "debited")
    killed_at = time.monotonic()
    stack.kill("worker")
    await show.bank.end_rehearsal(operator)
    transfer = await show.bank.watch(alice, transfer, *TERMINAL)
    show.say(f"It went on where it was: done {time.monotonic() - killed_at:.1f} s after the kill.")
    await show.outcome(transfer, status="completed")
    show.say("Its timeline, as an operator reads it:")
    show.timeline(await show.bank.timeline(operator, transfer))


async def _a_webhook(show: Show, alice: Person, bob: Person) -> None:
    show.act(
        f"A webhook: Bob's program is told that {show.money(1_00)} have come",
        "It verifies the signature with the stock Standard Webhooks package, not with our code.",
    )
    async with open_subscriber() as subscriber:
        endpoint = await show.bank.subscribe(bob, subscriber.url, "transfer.completed")
        transfer = await show.bank.send(alice, bob, 1_00, show.currency, wait=True)
        event = await subscriber.event_of(transfer["id"], endpoint["secret"])
    show.say(
        f"{event['type']} of {transfer['id']} arrived, number {event['sequence']} of its events, "
        "and is [bold]verified[/bold]."
    )


async def _the_books(stack: EmbeddedStack, show: Show) -> None:
    show.act("The books: every rule, asked in one snapshot, straight from MongoDB")
    settings = load_settings({"mongo_url": stack.addresses.mongo_url})
    async with open_client(settings) as client:
        for proven in await prove_books(client[settings.mongo_database]):
            if not proven.holds:
                raise CliError(f"{proven.invariant.meaning} Not so: {proven.findings}")
            show.say(f"[green]✓[/green] {proven.invariant.meaning}")
    await _the_proof(stack, show)


async def _the_proof(stack: EmbeddedStack, show: Show) -> None:
    """A pass at once, by the worker that runs one every minute, and what anyone can read of it."""
    settings = load_settings({"temporal_address": stack.addresses.temporal_address})
    verdict = await run_pass(await connect(settings))
    if verdict.status != "ok":
        raise CliError(f"The proof is {verdict.status}, with {verdict.violations} violations.")
    show.say(
        f"[green]✓[/green] Proof {verdict.number}, signed: {verdict.status}. "
        f"{stack.addresses.api_url}/proof shows it to anyone."
    )


async def _register(show: Show, name: str) -> Person:
    email = f"{name.lower()}@example.com"
    person = await show.bank.register(name, email, secrets.token_urlsafe(12))
    show.say(f"{name} registers as {email} and has the wallet {person.wallet_id}.")
    return await show.admit(person)


async def _operator(stack: EmbeddedStack, settings: Settings, show: Show) -> Person:
    email, password = "operator@example.com", secrets.token_urlsafe(12)
    where = {
        "mongo_url": stack.addresses.mongo_url,
        "redis_url": stack.addresses.redis_url,
        "data_dir": stack.data_dir,
    }
    await create_operator(settings.model_copy(update=where), NewOperator(email, password))
    show.say("An operator is made, who may rehearse faults.")
    return await show.bank.sign_in("Operator", email, password)
