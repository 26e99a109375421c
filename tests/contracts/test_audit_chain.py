"""The audit log is whole after anything we do, and after nothing anybody else does to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from cli.audit import verified
from cli.errors import CliError
from cli.stack import EmbeddedStack
from payflow.domain.repair_ports import OperatorAct
from payflow.settings import Settings
from payflow.storage.audit import MongoAuditLog
from payflow.storage.audit_chain import AuditChain, hash_of, link_after
from payflow.storage.audit_verification import Head, verify_audit
from payflow.storage.connection import bind_documents, open_client
from payflow.storage.identity import SystemClock
from payflow.storage.transactions import Client, in_transaction

DATABASE = "payflow_audit"
ACT = OperatorAct("usr_OPERATOR", "freeze", "wal_1", "a test says so", "req_1")


class Log:
    """An audit log of three acts, and how to look into it."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self.client = client
        self.settings = settings
        self.log = MongoAuditLog(client, DATABASE, SystemClock())
        self.chain = AuditChain(client, DATABASE)

    async def findings(self, known: Head | None = None) -> list[str]:
        return (await verify_audit(self.client, DATABASE, known)).findings

    async def head(self) -> Head:
        return (await verify_audit(self.client, DATABASE)).head

    async def line_id(self, place: int) -> str:
        link = await self.chain.links.find_one({"_id": place})
        assert link
        return str(link["act_id"])


@pytest.fixture
async def log(pair: EmbeddedStack) -> AsyncIterator[Log]:
    settings = Settings(mongo_url=pair.addresses.mongo_url, mongo_database=DATABASE)
    async with open_client(settings) as client:
        await bind_documents(client, settings)
        kept = Log(client, settings)
        await kept.chain.lines.delete_many({})
        await kept.chain.links.delete_many({})
        for _ in range(3):
            await kept.log.begin(ACT)
        yield kept


async def test_acts_side_by_side_are_all_in_one_chain(log: Log) -> None:
    other = MongoAuditLog(log.client, DATABASE, SystemClock())
    await asyncio.gather(*(one.begin(ACT) for one in (log.log, other) for _ in range(10)))
    report = await verify_audit(log.client, DATABASE)
    assert (report.findings, report.lines, report.head.place) == ([], 23, 23)


async def test_a_line_that_is_completed_is_sealed_again(log: Log) -> None:
    act_id = await log.line_id(2)
    await log.log.finish(act_id, "refunded")
    await log.log.finish(act_id, "never")  # it is completed: nothing is written, nothing sealed
    report = await verify_audit(log.client, DATABASE)
    assert (report.findings, report.lines, report.head.place) == ([], 3, 4)


async def test_a_line_and_its_link_are_written_together_or_not_at_all(log: Log) -> None:
    async def work(session: object) -> None:
        await log.chain.write({"_id": "act_1"}, {"$set": {"verb": "x"}}, session, upsert=True)  # type: ignore[arg-type]
        raise RuntimeError("the process dies here")

    with pytest.raises(RuntimeError):
        await in_transaction(log.client, work)
    report = await verify_audit(log.client, DATABASE)
    assert (report.findings, report.lines) == ([], 3)


async def change_a_line(log: Log) -> None:
    await log.chain.lines.update_one(
        {"_id": await log.line_id(2)}, {"$set": {"reason": "another reason"}}
    )


async def change_a_time(log: Log) -> None:
    act_id = await log.line_id(1)
    await log.chain.lines.update_one({"_id": act_id}, [{"$set": {"at": {"$add": ["$at", 1]}}}])


async def add_a_field(log: Log) -> None:
    await log.chain.lines.update_one({"_id": await log.line_id(3)}, {"$set": {"facts.m": 2}})


async def remove_a_line(log: Log) -> None:
    await log.chain.lines.delete_one({"_id": await log.line_id(2)})


async def slip_a_line_in(log: Log) -> None:
    line = await log.chain.lines.find_one({"_id": await log.line_id(2)})
    assert line
    await log.chain.lines.insert_one({**line, "_id": "act_00000000000000000000000000"})


async def swap_two_lines(log: Log) -> None:
    ids = [await log.line_id(place) for place in (1, 2)]
    first, second = [await log.chain.lines.find_one({"_id": act_id}) for act_id in ids]
    assert first
    assert second
    await log.chain.lines.replace_one({"_id": ids[0]}, {**second, "_id": ids[0]})
    await log.chain.lines.replace_one({"_id": ids[1]}, {**first, "_id": ids[1]})


async def remove_a_link(log: Log) -> None:
    await log.chain.links.delete_one({"_id": 2})


async def remove_a_line_with_its_link(log: Log) -> None:
    await remove_a_line(log)
    await remove_a_link(log)


async def remove_the_first_of_both(log: Log) -> None:
    await log.chain.lines.delete_one({"_id": await log.line_id(1)})
    await log.chain.links.delete_one({"_id": 1})


async def change_a_line_and_its_link(log: Log) -> None:
    """As somebody does who knows the chain, and forgets what follows."""
    await change_a_line(log)
    line = await log.chain.lines.find_one({"_id": await log.line_id(2)})
    first = await log.chain.links.find_one({"_id": 1})
    assert line
    await log.chain.links.replace_one({"_id": 2}, link_after(first, line))


async def change_a_link(log: Log) -> None:
    await log.chain.links.update_one({"_id": 3}, {"$set": {"digest": "0" * 64}})


async def rename_in_a_link(log: Log) -> None:
    link = await log.chain.links.find_one({"_id": 1})
    assert link
    link["act_id"] = "act_1"
    await log.chain.links.replace_one({"_id": 1}, {**link, "hash": hash_of(link)})


Tampering = Callable[[Log], Awaitable[None]]
TAMPERINGS: list[Tampering] = [
    change_a_line,
    change_a_time,
    add_a_field,
    remove_a_line,
    slip_a_line_in,
    swap_two_lines,
    remove_a_link,
    remove_a_line_with_its_link,
    remove_the_first_of_both,
    change_a_line_and_its_link,
    change_a_link,
    rename_in_a_link,
]


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda one: one.__name__)
async def test_tampering_is_found(log: Log, tamper: Tampering) -> None:
    assert await log.findings() == []
    assert "whole: 3 lines" in await verified(log.settings, None)
    await tamper(log)
    assert await log.findings() != []
    with pytest.raises(CliError, match="NOT as it was written"):
        await verified(log.settings, None)


async def test_a_lost_end_and_a_chain_made_anew_show_against_a_head_that_was_kept(log: Log) -> None:
    known = await log.head()
    await log.log.begin(ACT)
    assert await log.findings(known) == []
    for place in (3, 4):
        await log.chain.lines.delete_one({"_id": await log.line_id(place)})
        await log.chain.links.delete_one({"_id": place})
    assert await log.findings() == []  # nobody else can tell
    assert await log.findings(known) == [f"head {known} is not in the chain: it was cut or remade"]
    await log.chain.lines.delete_many({})
    await log.chain.links.delete_many({})
    for _ in range(3):
        await log.log.begin(ACT)
    assert await log.findings() == []
    assert await log.findings(known) != []


@pytest.mark.parametrize("text", ["", "12", "12:", "x:" + "0" * 64, "12:" + "0" * 63])
def test_a_head_is_read(text: str) -> None:
    assert str(Head.parse("12:" + "a" * 64)) == "12:" + "a" * 64
    with pytest.raises(ValueError, match="is no head such as"):
        Head.parse(text)
