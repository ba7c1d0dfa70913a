"""Means, spreads and gains."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.distillation.summary import measures_of, pooled, summarize, table

SETS = ["words", "receipts"]


def run(words: int, receipts: int, cpu_seconds: float | None = 10.0) -> dict[str, Any]:
    def reading(lines: int, exact: int) -> dict[str, Any]:
        edits = lines - exact
        return {
            "lines": lines,
            "exact": exact,
            "edits": edits,
            "characters": 5 * lines,
            "accuracy": exact / lines,
        }

    return {
        "readings": {
            "words": reading(100, words),
            "receipts": reading(300, receipts),
            "rendered": reading(10, 1),
        },
        "training": {
            "cpu_seconds": cpu_seconds,
            "evaluations": [{"step": 1, "acc": 0.875}, {"step": 2, "acc": words / 100}],
        },
    }


def test_sets_are_pooled_by_their_lines() -> None:
    figures = pooled(run(50, 300)["readings"], SETS)
    assert figures["accuracy"] == pytest.approx(350 / 400)
    assert figures["character_error_rate"] == pytest.approx(50 / 2000)


def test_gains_are_those_of_equal_seeds() -> None:
    results = {
        "alone": {1: run(50, 150), 2: run(60, 160)},
        "guided": {1: run(60, 180, 20.0), 2: run(60, 168, 30.0), 3: run(100, 300)},
    }
    alone, guided = summarize(results, SETS)
    assert alone.gain == 0
    assert guided.seeds == (1, 2, 3)
    assert guided.gain == pytest.approx((40 / 400 + 8 / 400) / 2)
    assert (guided.least_gain, guided.most_gain) == (
        pytest.approx(8 / 400),
        pytest.approx(40 / 400),
    )
    assert guided.most == 1.0
    assert alone.best == 0.875
    assert guided.best == pytest.approx((0.875 + 0.875 + 1) / 3)
    assert guided.cost == pytest.approx(2.5)
    assert alone.deviation == pytest.approx(20 / 400 / 2**0.5)


def test_an_arm_without_a_baseline_has_no_gain() -> None:
    (guided,) = summarize({"guided": {1: run(1, 1)}}, SETS)
    assert guided.gain is None
    assert guided.deviation is None


def test_a_cost_that_was_not_measured_is_left_out() -> None:
    alone, guided = summarize({"alone": {1: run(1, 1)}, "guided": {1: run(2, 2, None)}}, SETS)
    assert alone.cost == 1.0
    assert guided.cost is None


def test_the_table_shows_percent_and_points() -> None:
    results = {"alone": {1: run(50, 150)}, "guided": {1: run(60, 180)}, "pair": {}}
    shown = table(summarize(results, SETS), {"teacher": run(90, 290)}, SETS).splitlines()
    assert len(shown) == 4
    assert "60.0%" in shown[2]
    assert "+10.0" in shown[2]
    assert shown[3].startswith("(teacher)")
    assert "95.0%" in shown[3]
    assert table([], {}, SETS) == "nothing is done yet"


def test_figures_are_means_with_their_extremes_over_seeds() -> None:
    results = {
        "guided": {1: run(60, 180, 20.0), 2: run(60, 168, 30.0)},
        "alone": {1: run(50, 150), 2: run(60, 160)},
        "lone": {9: run(1, 1, None)},
    }
    figures = {figure.name: figure for figure in measures_of(summarize(results, SETS))}
    exact = figures["distillation / guided / exact"]
    assert (exact.least, exact.most) == (pytest.approx(0.57), pytest.approx(0.6))
    assert exact.value == pytest.approx(0.585)
    gain = figures["distillation / guided / gain"]
    assert (gain.least, gain.most) == (pytest.approx(0.02), pytest.approx(0.1))
    assert figures["distillation / guided / cost"].value == pytest.approx(2.5)
    assert figures["distillation / guided / character errors"].better == "lower"
    assert not {"distillation / lone / gain", "distillation / lone / cost"} & set(figures)
