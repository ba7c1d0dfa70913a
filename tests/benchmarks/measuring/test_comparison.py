"""Medians, spread and ratios over all rounds; failures stand in the table."""

from __future__ import annotations

import pytest

from benchmarks.measuring.alternation import Attempt
from benchmarks.measuring.comparison import EACH, summarize, table


def attempt(name: str, number: int, *rates: float, **more: int) -> Attempt:
    return Attempt(name, number, 1.0, {EACH: list(rates), **more})


ATTEMPTS = [
    attempt("ours", 1, 9.0, 11.0, threads=2),
    attempt("paddle", 1, 2.0, 4.0, threads=1),
    Attempt("torch", 1, 0.1, reason="ImportError: no torch"),
    attempt("paddle", 2, 2.0, 2.0, threads=1),
    attempt("ours", 2, 10.0, 30.0, threads=2),
]


def test_medians_and_spread_are_over_the_steps_of_all_rounds() -> None:
    ours, paddle, torch = summarize(ATTEMPTS, "paddle")
    assert (ours.median, ours.least, ours.most, ours.rounds) == (10.5, 9.0, 30.0, 2)
    assert (paddle.median, paddle.ratio) == (2.0, 1.0)
    assert ours.ratio == pytest.approx(5.25)
    assert (torch.median, torch.ratio, torch.reason) == (None, None, "ImportError: no torch")


def test_without_the_reference_there_is_no_ratio() -> None:
    assert all(row.ratio is None for row in summarize(ATTEMPTS, "absent"))


def test_the_table_shows_figures_failures_and_what_was_not_run() -> None:
    rows = summarize(ATTEMPTS, "paddle", {"paddleocr": "needs --paddleocr PATH"})
    lines = table(rows, "paddle", {"threads": "threads"}).splitlines()
    assert lines[0].split() == ["images/s", "min-max", "x", "paddle", "threads"]
    assert lines[1].split() == ["ours", "10.50", "9.00-30.00", "5.25", "2"]
    assert lines[2].split() == ["paddle", "2.00", "2.00-4.00", "1.00", "1"]
    assert lines[3:] == [
        "torch: failed: ImportError: no torch",
        "paddleocr: not measured: needs --paddleocr PATH",
    ]


def test_a_later_failure_does_not_hide_behind_good_rounds() -> None:
    attempts = [attempt("ours", 1, 1.0), Attempt("ours", 2, 1.0, reason="ended with status -9")]
    text = table(summarize(attempts, "ours"), "ours")
    assert "failed after 1 good rounds: ended with status -9" in text
