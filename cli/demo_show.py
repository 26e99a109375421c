"""What the demo puts on the screen, and the sum it checks after every act."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.demo_bank import Bank, Json, Person
from cli.errors import CliError
from payflow.domain.money import format_minor


class Show:
    """The stage: the people with wallets, what they were given, and the screen."""

    def __init__(self, console: Console, bank: Bank) -> None:
        self.bank = bank
        self.people: list[Person] = []
        self.currency = ""
        self._console = console
        self._deposited = 0

    async def admit(self, person: Person) -> Person:
        """A person whose wallet counts in the sums."""
        self.people.append(person)
        self.currency = (await self.bank.wallet(person))["currency"]
        return person

    async def fund(self, person: Person, amount: int) -> None:
        """Deposit, and remember it for the sums."""
        await self.bank.deposit(person, amount, self.currency)
        self._deposited += amount

    def act(self, title: str, *lines: str) -> None:
        """Begin an act: what is about to happen, in words."""
        self._console.print()
        self._console.rule(f"[bold]{title}", align="left")
        self.say(*lines)

    def say(self, *lines: str) -> None:
        """Something to read."""
        for line in lines:
            self._console.print(line, highlight=False, soft_wrap=True)

    async def outcome(self, transfer: Json, *, status: str, code: str | None = None) -> None:
        """Show how a transfer ended, with its entries; then balances and sum.

        Raises:
            CliError: it did not end as it must.
        """
        failure = transfer["failure"] or {}
        found = (transfer["status"], failure.get("code"))
        if found != (status, code):
            raise CliError(f"{transfer['id']} is {found}, and must be {(status, code)}.")
        why = f": {failure['message']}" if failure else ""
        back = " The money is back." if transfer["refunded"] else ""
        self.say(f"{transfer['id']} is [bold]{status}[/bold]{why}{back}")
        await self._entries_of(transfer["id"])
        await self.balances()

    async def kinds_of(self, transfer: Json) -> list[str]:
        """The kinds of the transfer's entries in all wallets, the payer's first."""
        return [
            entry["kind"]
            for person in self.people
            for entry in await self.bank.entries(person)
            if entry["transfer_id"] == transfer["id"]
        ]

    async def balances(self) -> None:
        """Show every balance and check that nothing was lost or made.

        Raises:
            CliError: the wallets do not hold what came in from the world.
        """
        held = {person.name: (await self.bank.wallet(person))["balance"] for person in self.people}
        total = sum(held.values())
        parts = " · ".join(f"{name} {self.money(amount)}" for name, amount in held.items())
        self.say(f"{parts} · together {self.money(total)}")
        if total != self._deposited:
            raise CliError(f"The wallets hold {total}, and {self._deposited} came in.")
        self.say("[green]✓[/green] the wallets hold what came in, to the cent")

    def timeline(self, timeline: Json) -> None:
        """Show every row of a transfer's timeline."""
        table = Table("at", "kind", "step", "outcome", box=None, pad_edge=False)
        table.add_column("detail", overflow="fold")
        for row in timeline["data"]:
            step = f"{row['leg'] or ''} {row['attempt'] or ''}".strip()
            cells = (row["at"][11:23], row["kind"], step, row["outcome"], row["detail"])
            table.add_row(*(escape(cell or "") for cell in cells))
        self._console.print(table)

    def money(self, amount: int) -> str:
        """Minor units as people write them."""
        return format_minor(amount, self.currency)

    async def _entries_of(self, transfer_id: str) -> None:
        table = Table("entry", "wallet of", "step", box=None, pad_edge=False)
        table.add_column("amount", justify="right")
        table.add_column("balance after", justify="right")
        for person in self.people:
            for entry in await self.bank.entries(person):
                if entry["transfer_id"] == transfer_id:
                    amounts = (self.money(entry["amount"]), self.money(entry["balance_after"]))
                    table.add_row(entry["id"], person.name, entry["kind"], *amounts)
        if table.row_count:
            self._console.print(table)
        else:
            self.say("No entry: no money moved.")
