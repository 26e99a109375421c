"""``/proof``: the last proof for people, a page that runs nothing and loads nothing."""

import base64
from hashlib import sha256
from html import escape
from typing import Final

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from api.parts import Ask
from payflow.domain.invariants import Invariant
from payflow.domain.proof_ports import ProofPending, ProofStale, Statement

PATH = "/proof"
_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem}"
    ".ok{color:#0a7d33}.violated,.stale{color:#b3001b}dt{font-weight:600}dd{margin:0 0 .6rem}"
    "dd,td{overflow-wrap:anywhere}td,th{text-align:left;padding:.2rem .8rem .2rem 0}"
)
_DIGEST: Final = base64.b64encode(sha256(_STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_SAID = {
    "ok": "The books balance.",
    "violated": "Something is wrong, or was and no operator has closed it. Its wallets are frozen.",
    "stale": "No pass has ended for long: this proof is old, and says nothing of now.",
}
_MEANINGS = {rule.value: rule.meaning for rule in Invariant}

router = APIRouter(prefix=PATH, include_in_schema=False)


@router.get("")
async def page(ask: Ask) -> Response:
    """The page; 503 before the first pass has ended, and when none has for long."""
    try:
        content, status = _shown(await ask.proofs.latest()), 200
    except ProofPending as pending:
        content, status = f"<h1>{escape(str(pending))}</h1>", 503
    except ProofStale as stale:
        content, status = _shown(stale.statement, is_stale=True), 503
    headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
    return HTMLResponse(_framed(content), status, headers)


def _framed(content: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Proof of the books</title><style>{_STYLE}</style></head>"
        f"<body>{content}</body></html>"
    )


def _shown(proof: Statement, *, is_stale: bool = False) -> str:
    status = "stale" if is_stale else proof["status"]
    oldest = proof["oldest_in_transit"]
    facts = {
        "Checked at": proof["checked_at"],
        "Stale after": proof["stale_after"],
        "As the books stood at": proof["snapshot_at"],
        "Transfers": f"{proof['transfers_checked']:,}",
        "Longest in transit": f"{oldest['transfer_id']}, since {oldest['since']}"
        if oldest
        else "nothing is in transit",
        "Time to clear (median)": _milliseconds(proof["time_to_clear_ms"]),
        "Proof": f"number {proof['number']}, {proof['scope']}, feed to {proof['feed_position']}",
        "Hash": proof["hash"],
        "Hash of the proof before": proof["previous_hash"],
        "Signature": f"{proof['signature']} (Ed25519, key {proof['key_id']})",
    }
    rows = "".join(f"<dt>{name}</dt><dd>{escape(str(value))}</dd>" for name, value in facts.items())
    return (
        f'<h1 class="{escape(status)}">{_SAID[status]}</h1>{_violations(proof)}<dl>{rows}</dl>'
        '<p>To verify it: <a href="v1/proof">the proof</a>, <a href="v1/proof/keys">the keys</a>, '
        '<a href="v1/proofs">all proofs</a>.</p>'
    )


def _violations(proof: Statement) -> str:
    if not proof["violations"]:
        return ""
    rows = "".join(
        f"<tr><td>{escape(one['subject_id'])}</td>"
        f"<td>{escape(_MEANINGS.get(one['invariant'], one['invariant']))}</td>"
        f"<td>{escape(one['detail'])}</td></tr>"
        for one in proof["violations"]
    )
    return f"<table><tr><th>What</th><th>Rule</th><th>Found</th></tr>{rows}</table>"


def _milliseconds(value: int | None) -> str:
    return "–" if value is None else f"{value:,} ms"
