"""The matrix is enumerated, and its page hides nothing."""

from itertools import product
from typing import Any

from tests.chaos.matrix.plan import Fault, Point, Run, Shape, drawn_for, impossible, runs
from tests.chaos.matrix.report import page


def figures(**wrong: Any) -> dict[str, Any]:
    cells = [
        {
            "point": run.point,
            "fault": run.fault,
            "shape": shape,
            "sagas": 1,
            "seconds": 1.25,
            "lost": [],
            "doubled": [],
            "stuck": [],
        }
        for run in runs()
        for shape in run.shapes()
    ]
    cells[0] |= wrong
    known = {"seed": 7, "commit": "abc", "ended": "now", "minutes": 1.0, "machine": "2 cores"}
    return {**known, "cells": cells, "broken": {}, "void": 0}


def test_every_cell_is_played_or_said_to_be_impossible() -> None:
    played = {(run.point, run.fault, shape) for run in runs() for shape in run.shapes()}
    cannot = {
        (one.point, fault, shape)
        for one in impossible()
        for fault in ([one.fault] if one.fault else Fault)
        for shape in ([one.shape] if one.shape else Shape)
    }
    assert played.isdisjoint(cannot)
    assert played | cannot == set(product(Point, Fault, Shape))
    assert len(played) >= 150
    assert all(one.reason for one in impossible())


def test_every_fault_and_every_point_strikes_somewhere() -> None:
    assert {run.fault for run in runs()} == set(Fault)
    assert {run.point for run in runs()} == set(Point)


def test_a_run_draws_the_same_alone_as_among_all() -> None:
    run, other = runs()[0], runs()[1]
    assert drawn_for(run).random() == drawn_for(run).random()
    assert drawn_for(run).random() != drawn_for(other).random()


def test_a_green_page_has_a_figure_for_each_cell() -> None:
    text = "\n".join(page(figures()))
    cells = sum(len(run.shapes()) for run in runs())
    assert f"| cells | {cells} |" in text
    assert f"| runs | {len(runs())} |" in text
    assert text.count("| 1.2") + text.count("| 1.3") >= cells
    assert "**red** |" not in text and "## Red" not in text


def test_a_red_cell_is_red_and_says_why() -> None:
    text = "\n".join(page(figures(stuck=["trf_1 has not ended"], seconds=None)))
    assert "| stuck | 1 |" in text
    assert "**red** |" in text
    assert "stuck: trf_1 has not ended" in text


def test_a_run_that_could_not_be_judged_is_red() -> None:
    said = figures()
    run = Run(Point.BEFORE_STEP, Fault.ZOMBIE)
    said["cells"] = [c for c in said["cells"] if (c["point"], c["fault"]) != (run.point, run.fault)]
    said["broken"] = {str(run): "nobody came"}
    text = "\n".join(page(said))
    assert "| runs that could not be judged | 1 |" in text
    assert "zombie-before_step: nobody came" in text
    assert f"| runs | {len(runs())} |" in text
