"""Medians, spread and ratios over all rounds; failures stand in the table."""

from __future__ import annotations

from benchmarks.measuring.alternation import Attempt
from benchmarks.measuring.comparison import (
    EACH,
    aligned,
    failures,
    figures_by_contender,
    speeds,
    table,
)
from benchmarks.measuring.result import Failure


def attempt(name: str, number: int, *rates: float, **more: int) -> Attempt:
    return Attempt(name, number, 1.0, {EACH: list(rates), **more})


ATTEMPTS = [
    attempt("ours", 1, 9.0, 11.0, threads=2),
    attempt("paddle", 1, 2.0, 4.0, threads=1),
    Attempt("torch", 1, 0.1, reason="ImportError: no torch", tail=("Traceback",)),
    attempt("paddle", 2, 2.0, 2.0, threads=1),
    attempt("ours", 2, 10.0, 30.0, threads=2),
]


def test_medians_and_spread_are_over_the_steps_of_all_rounds() -> None:
    found = speeds(ATTEMPTS, "training step", "images/s")
    assert list(found) == ["ours", "paddle"]
    ours = found["ours"]
    assert (ours.name, ours.unit) == ("training step / ours / speed", "images/s")
    assert (ours.value, ours.least, ours.most) == (10.5, 9.0, 30.0)
    assert ours.samples == (9.0, 11.0, 10.0, 30.0)
    assert (found["paddle"].value, found["paddle"].better) == (2.0, "higher")


def test_figures_are_those_of_good_rounds() -> None:
    rounds = figures_by_contender(ATTEMPTS)
    assert {name: len(figures) for name, figures in rounds.items()} == {
        "ours": 2,
        "paddle": 2,
        "torch": 0,
    }
    assert rounds["ours"][-1]["threads"] == 2


def test_failures_are_told_from_what_cannot_be_run() -> None:
    assert failures(ATTEMPTS, {"paddleocr": "no checkout"}, "training step") == (
        Failure("training step / torch", "ImportError: no torch", tail=("Traceback",)),
        Failure("training step / paddleocr", "no checkout", is_absent=True),
    )
    assert [failure.what for failure in failures(ATTEMPTS)] == ["torch"]


def test_without_the_reference_there_is_no_ratio() -> None:
    lines = table(ATTEMPTS, "absent", "images/s").splitlines()
    assert lines[1].split() == ["ours", "10.50", "9.00-30.00"]


def test_the_table_shows_figures_failures_and_what_was_not_run() -> None:
    text = table(
        ATTEMPTS,
        "paddle",
        "images/s",
        {"threads": "threads"},
        {"paddleocr": "needs --paddleocr PATH"},
    )
    lines = text.splitlines()
    assert lines[0].split() == ["images/s", "min-max", "x", "paddle", "threads"]
    assert lines[1].split() == ["ours", "10.50", "9.00-30.00", "5.25", "2"]
    assert lines[2].split() == ["paddle", "2.00", "2.00-4.00", "1.00", "1"]
    assert lines[3:] == [
        "torch: failed: ImportError: no torch",
        "paddleocr: not measured: needs --paddleocr PATH",
    ]


def test_a_later_failure_does_not_hide_behind_good_rounds() -> None:
    attempts = [attempt("ours", 1, 1.0), Attempt("ours", 2, 1.0, reason="ended with status -9")]
    text = table(attempts, "ours", "images/s")
    assert "failed after 1 good rounds: ended with status -9" in text


def test_columns_stand_below_each_other() -> None:
    assert aligned([["", "a"], ["name", "10"], ["n", ""]]) == ["       a", "name  10", "n"]
