"""Writes what runs have found: the page with its plots."""

from pathlib import Path

from benchmarks.figures import Row
from benchmarks.numbers import Measured, joined
from benchmarks.outcome import CpuLine, Outcome

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "performance.md"
IMAGES = ROOT / "docs" / "img"

HEAD = """# Performance

Made by `make bench`; do not edit. What is claimed is a ratio between two contenders of one run,
on one machine, never an absolute figure: those stand beside it to show what the ratio is made of.
"""

METHOD = """## Method

- One embedded stack on loopback, started by the run in a folder of its own; the layout is `serve`
  (API, worker and relay in one process) unless the row says otherwise. `PAYFLOW_ENV=production`
  with a generated key, so that no step reads rehearsal rules; wallets are funded by an operator's
  deposits.
- The load generator is a process of its own: raw HTTP/1.1 over kept-alive connections, closed
  loop: each caller asks, waits for the answer, asks again. A transfer counts when its `POST` with
  `Prefer: wait=30` was answered `completed`; any other answer ends the section.
- Contenders take turns, in an order that rotates from round to round. A ratio is taken inside
  each round; the table has the median of the rounds, and the lowest and highest of them. The
  first 0.3 s of a turn do not count.
- The bare Temporal workflows run on the same Temporal server, by an unsandboxed worker in the
  benchmark's process on uvloop, as PayFlow's do.
- One transaction per leg makes the same reads, decisions and writes as the engine and is given
  the better of 16 and 64 callers.
- The bare FastAPI route has no auth and no checks, and makes the same find over the same kind of
  connection.
- A batch is sent by one caller, by one resident's wallets to everybody's; its time runs from the
  `POST` being sent until a `GET`, every 0.25 s, says that it has ended. What it moved is checked in
  the books, wallet by wallet, against the sum of its items.
- Events are timed from their `created_at` to their first arrival at a listener on loopback, which
  takes `PAYFLOW_ENV=test`. The load is paced, the same beside a hanging and a failing subscriber
  as alone.
- Overload is an open loop: requests are sent when they are due, whatever became of those before,
  and their latency counts from then. Sustainable is the largest of 0.9, 0.75, 0.6 and 0.45 of
  what the callers of the closed loop get at which nobody is refused for 10 s. Everything accepted
  must have ended, and nothing else may have been made, or the section fails.
- A long past is written in bulk: documents as the books would have them, without their Temporal
  histories and without their places in the feed. Both stacks run while either is measured.
- Memory is what the kernel counts as resident. CPU is user and system time of all threads, from
  `/proc`, divided by what was done in those turns; it has steps of 10 ms.
- The start is timed from the command to `stack.json`, which is written when everything answers.
- Nothing else should run on the machine; what did shows in the spread.
- Where the time of one transfer goes, and so why an aim may be missed, is in decisions
  [20](decisions/0020-one-clients-path-has-few-hops.md) and
  [21](decisions/0021-a-leg-costs-mongodb-little.md).

Again: `make bench`, `make bench BENCH=--quick` (two minutes), `make bench BENCH=--soak` (50,000
transfers for the memory rows), `make bench BENCH='--past 1000000'`. A run of some sections
(`--only`) leaves its numbers beside those of the whole one, and `--page` makes the page of both.
`.venv/bin/python -m benchmarks --help` has the rest.
"""


def write_page(*runs: Measured) -> None:
    """Replace the page and its plots by what these runs found, the later over the earlier."""
    outcome, machine = joined(runs), runs[-1].circumstances.machine
    IMAGES.mkdir(parents=True, exist_ok=True)
    for chart in outcome.charts:
        (IMAGES / f"{chart.name}.svg").write_text(chart.svg)
    parts = [HEAD, *map(_run, runs), _table(outcome.rows), _cpu(outcome.cpu)]
    parts += ["\n".join(f"- {note}" for note in outcome.notes)] if outcome.notes else []
    parts += [_plots(outcome), METHOD, _machine(machine)]
    PAGE.write_text("\n".join(part for part in parts if part))


def printed(row: Row) -> str:
    """A row as one line for a terminal."""
    verdict = row.verdict.replace("*", "")
    return f"{_value(row, row.value):>9}  {verdict:<12} {row.figure} ({row.against})"


def _run(run: Measured) -> str:
    it, options = run.circumstances, run.circumstances.options
    kind = f"{options.kind} run" + (f" ({', '.join(it.sections)} alone)" if it.sections else "")
    said = (
        f"{it.at}, a {kind} of {it.took_s / 60:.1f} minutes: {options.rounds} rounds, "
        f"turns of {options.seconds:g} s, {options.callers} callers; load before it "
        f"{it.machine.get('load before the run', 'not known')}."
    )
    if options.kind == "quick":
        said += (
            "\n\n**This is a quick run**: its turns are too short to claim anything. It shows that "
            "every row can be measured; the figures that count come from a full run on a quiet "
            "machine."
        )
    return said + "\n"


def _table(rows: list[Row]) -> str:
    lines = [
        "## Figures\n",
        "| figure | median | lowest – highest | must reach | aim | verdict | one against other |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        sign = "≥" if row.mark.more_is_better else "≤"
        spread = f"{_value(row, min(row.samples))} – {_value(row, max(row.samples))}"
        spread = spread if len(row.samples) > 1 else "one sample"
        marks = [f"{sign} {mark:g} {row.unit}".rstrip() for mark in (row.mark.must, row.mark.aim)]
        cells = [
            row.figure,
            f"**{_value(row, row.value)}**",
            spread,
            *marks,
            row.verdict,
            row.against,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _value(row: Row, value: float) -> str:
    return f"{value:.2f} {row.unit}".rstrip()


def _cpu(lines: list[CpuLine]) -> str:
    if not lines:
        return ""
    processes = list(dict.fromkeys(process for line in lines for process in line.ms))
    table = [
        "## CPU for each transfer, item or workflow\n",
        "Milliseconds, in the turns that compare their speeds; of a batch, for each item.\n",
        f"| contender | {' | '.join(processes)} | all but the load generator |",
        f"|---|{'---|' * (len(processes) + 1)}",
    ]
    for line in lines:
        cells = [f"{line.ms[p]:.1f}" if p in line.ms else "–" for p in processes]
        total = sum(ms for process, ms in line.ms.items() if process != "load generator")
        table.append(f"| {line.contender} | {' | '.join(cells)} | {total:.1f} |")
    return "\n".join(table) + "\n"


def _plots(outcome: Outcome) -> str:
    return "\n\n".join(f"![{chart.title}](img/{chart.name}.svg)" for chart in outcome.charts) + "\n"


def _machine(facts: dict[str, str]) -> str:
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    return f"## Machine\n\n| what | which |\n|---|---|\n{rows}\n"
