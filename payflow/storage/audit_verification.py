"""Whether the audit log is as it was written: every line against its links, every link in place."""

from dataclasses import dataclass, field

from payflow.storage.audit_chain import BEGINNING, AuditChain, digest_of, hash_of
from payflow.storage.transactions import Client, snapshot_session, translated


@dataclass(frozen=True, slots=True)
class Head:
    """The last link: worth keeping elsewhere, since a chain that lost its end is whole again."""

    place: int = 0
    hash: str = BEGINNING

    @classmethod
    def parse(cls, text: str) -> "Head":
        """The head that ``12:9f86…`` names, or ``ValueError``."""
        place, _, digest = text.partition(":")
        if not place.isdigit() or len(digest) != len(BEGINNING):
            raise ValueError(f"{text!r} is no head such as 12:{BEGINNING[:4]}…")
        return cls(int(place), digest)

    def __str__(self) -> str:
        return f"{self.place}:{self.hash}"


@dataclass(slots=True)
class AuditReport:
    """What was found: nothing, when the log is whole."""

    lines: int = 0
    head: Head = field(default_factory=Head)
    findings: list[str] = field(default_factory=list)


async def verify_audit(client: Client, database: str, known: Head | None = None) -> AuditReport:
    """Compare all lines with all links, in one snapshot; ``known`` is a head kept elsewhere."""
    chain, report = AuditChain(client, database), AuditReport()
    sealed: dict[str, str] = {}
    with translated():
        async with snapshot_session(client) as session:
            known_seen = known is None or known.place == 0
            async for link in chain.links.find({}, sort=[("_id", 1)], session=session):
                report.findings += _wrong_with(link, report.head)
                report.head = Head(link["_id"], str(link.get("hash")))
                sealed[str(link.get("act_id"))] = str(link.get("digest"))
                known_seen = known_seen or report.head == known
            if not known_seen:
                report.findings.append(f"head {known} is not in the chain: it was cut or remade")
            async for line in chain.lines.find({}, session=session):
                report.lines += 1
                report.findings += _differs(line, sealed.pop(line["_id"], None))
    report.findings += [f"line {act_id} is missing" for act_id in sealed]
    return report


def _wrong_with(link: dict[str, object], before: Head) -> list[str]:
    found = []
    if link["_id"] != before.place + 1:
        found.append(f"link {link['_id']} does not follow {before.place}")
    if link.get("previous") != before.hash:
        found.append(f"link {link['_id']} was not made after the link before it")
    if link.get("hash") != hash_of(link):
        found.append(f"link {link['_id']} was changed")
    return found


def _differs(line: dict[str, object], digest: str | None) -> list[str]:
    if digest is None:
        return [f"line {line['_id']} was slipped in: no link seals it"]
    if digest != digest_of(line):
        return [f"line {line['_id']} was changed after it was sealed"]
    return []
