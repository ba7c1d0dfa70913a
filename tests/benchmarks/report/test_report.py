"""Page and summary from results; what cannot be read is shown, not hidden."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.measuring.machine import ROOT
from benchmarks.measuring.result import measure
from benchmarks.report.__main__ import collect, main
from benchmarks.report.charts import themed
from benchmarks.report.numbers import shown, spread
from benchmarks.report.views import bars, grouped
from tests.benchmarks.conftest import speed


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.91943, "share", "91.9\u202f%"),
        (23.609, "images/s", "23.6"),
        (84.17, "lines/s", "84.2"),
        (294.8, "lines/s", "295"),
        (12345.6, "lines/s", "12,346"),
        (0.3877, "s", "0.39"),
        (0.0824, "ms", "0.082"),
        (0.0, "ms", "0.00"),
        (-5.25, "ms", "-5.25"),
        (916, "lines", "916"),
    ],
)
def test_figures_have_the_digits_they_deserve(value: float, unit: str, expected: str) -> None:
    assert shown(value, unit) == expected


def test_the_spread_is_that_of_the_rounds() -> None:
    assert spread(speed(90, 100, 110)) == "90.0\u2013110"
    assert spread(speed(100)) == ""
    assert spread(speed(100, 100, exact=True)) == ""


def test_bars_are_shares_of_the_longest_with_its_spread(make_result: Any) -> None:
    result = make_result(
        measures=(speed(90, 100, 125), speed(40, 50, 60, name="reading / peer / speed"))
    )
    ours, peer = bars(grouped(result)["reading"], "speed", "peer")
    assert (ours.share, ours.least, ours.most) == (0.8, 0.72, 1.0)
    assert (ours.ratio, peer.ratio) == (2.0, None)
    assert (ours.label, ours.is_ours, peer.is_ours) == ("this project", True, False)


def test_names_of_two_and_of_many_parts(make_result: Any) -> None:
    names = ("lone", "a / b", "a / b / c", "a / b / c / d")
    result = make_result(measures=tuple(measure(name, "ms", "lower", [1]) for name in names))
    assert {group: list(rows) for group, rows in grouped(result).items()} == {
        "lone": ["lone"],
        "a": ["a", "b", "b / c"],
    }


def test_a_page_and_a_summary(results: Path, tmp_path: Path) -> None:
    page, summary = tmp_path / "page.html", tmp_path / "summary.md"
    # One result is broken and one tells of a failure.
    assert main([str(results), "--output", str(page), "--markdown", str(summary)]) == 1
    text = page.read_text(encoding="utf-8")
    assert "broken.json" in text
    assert "no cpu-fp16 here" in text and "the last\nof its words" in text
    assert "1 of 5 results were taken while the machine was busy" in text
    assert "&lt;b&gt;&amp;" in text and "<b>" not in text
    assert not re.search(r'(src|href)="(?!data:|#)', text)
    assert "@import" not in text and "<script" not in text
    assert "\u00d7&nbsp;2.00" in text
    told = summary.read_text(encoding="utf-8")
    for kind in ("Accuracy", "Reading speed", "Latency", "Training speed"):
        assert f"## {kind}" in told
    assert "python -m benchmarks.latency" in told
    assert "| this project | 100 | 90.0\u2013110 | 2.00 | 39 |" in told


def test_failures_come_before_what_is_not_here_and_reasons_once(
    results: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    main([str(results), "--output", str(page)])
    text = page.read_text(encoding="utf-8")
    section = text[text.index('id="failures"') : text.index('id="how"')]
    assert section.index("cpu-fp16") < section.index("cuda-fp32")
    assert section.count('class="failed"') == 2  # and the broken file


def test_results_kept_here_make_a_page(tmp_path: Path) -> None:
    entries, unreadable = collect([ROOT / "benchmarks" / "results"])
    assert entries and not unreadable
    page = tmp_path / "page.html"
    main(["--output", str(page), "--markdown", str(tmp_path / "s.md")])
    assert "23.6" in page.read_text(encoding="utf-8")


def test_no_result_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--output", str(tmp_path / "page.html")]) == 2
    assert "no result to show" in capsys.readouterr().err
    (tmp_path / "a.json").write_text(json.dumps({"schema": 99}))
    assert main([str(tmp_path), "--output", str(tmp_path / "page.html")]) == 2
    assert "update this checkout" in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()


def test_a_picture_takes_the_pages_colours_and_names_of_its_own() -> None:
    svg = (
        '<?xml version="1.0"?>\n<svg width="9pt" height="9pt" viewBox="0 0 9 9"><metadata>m'
        '</metadata><g id="a"><use xlink:href="#b" clip-path="url(#c)"/>'
        "<text style=\"font: 10.5px 'Some Font', sans; fill: #010101\">x</text></g></svg>"
    )
    inside = themed(svg, "run-1", "a title")
    assert inside.startswith('<svg role="img" aria-label="a title" viewBox')
    assert 'id="run-1-a"' in inside and '"#run-1-b"' in inside and "url(#run-1-c)" in inside
    assert "font: 10.5px var(--sans); fill: var(--ink-2)" in inside
    assert "metadata" not in inside
