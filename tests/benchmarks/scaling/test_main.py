"""Costs of more and more lines, their slope, and what is worked out from them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.measuring.result import Result, measure, read_result, save_result
from benchmarks.scaling.__main__ import main
from benchmarks.scaling.paper import cost_table, machine_table
from benchmarks.scaling.paper import main as on_paper

pytest.importorskip("onnxruntime", reason="it reads the lines")


def test_every_number_is_read_and_the_slope_shown(
    toy_onnx: Path, labelled_lines: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "scaling.json"
    given = ["--lines", str(labelled_lines), "--model", str(toy_onnx), "--threads", "1"]
    assert main([*given, "--line-counts", "20", "200", "--output", str(output)]) == 0
    figures = {measure.name: measure.value for measure in read_result(output).measures}
    few, many = (figures[f"lines / 1 threads / {number} / CPU"] for number in (20, 200))
    slope = figures["lines / 1 threads / 20 to 200 / slope a decade"]
    assert slope == pytest.approx(many / few - 1)
    assert figures["lines / bytes a file"] > 0
    assert "slope a decade" in capsys.readouterr().out


def test_nothing_to_read_is_said(toy_onnx: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", str(toy_onnx)]) == 2
    assert "expected --lines LABELS or --pages LABELS" in capsys.readouterr().err


FIGURES = {
    "lines / 1 threads / 1000 / speed": 100.0,
    "lines / 1 threads / 1000 / CPU": 10.0,
    "lines / 1 threads / 1000 / peak memory": 90.0,
    "lines / 1 threads / 10000 / speed": 101.0,
    "lines / 1 threads / 10000 / CPU": 10.1,
    "lines / 1 threads / 10000 / peak memory": 91.0,
    "lines / 1 threads / 1000 to 10000 / slope a decade": 0.01,
    "lines / bytes a file": 5000.0,
}
SENT = {
    "sent / 1 threads / 1000 / speed": 90.0,
    "sent / 1 threads / 1000 / CPU": 0.101,
    "sent / 1 threads / 1000 / peak memory": 200.0,
    "sent / bytes a file": 5000.0,
}


def test_what_machines_read_follows_from_the_largest_run() -> None:
    costs = list(cost_table(FIGURES))
    assert costs[2] == "| lines | 1 | 1,000 | 10.00 | 100.0 | 90 |  |"
    assert costs[3].endswith("| +1.0 % |")
    alone = list(machine_table(FIGURES))
    lines_a_day = 16 * 86_400 / 0.0101
    assert f"| 1 | 16 | {lines_a_day / 1e6:.1f} M | 7.9 | not measured |" in alone[2]
    table = list(machine_table(FIGURES | SENT))
    assert "| 1 | 16 | " in table[2] and "| 0.16 |" in table[2]
    assert "keeps 100 CPUs reading lines" in table[-1]


def test_the_page_is_written_between_its_marks(
    make_result: Callable[..., Result], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result, page = tmp_path / "scaling.json", tmp_path / "scaling.md"
    measures = tuple(measure(name, "ms", "lower", [value]) for name, value in FIGURES.items())
    save_result(result, make_result(benchmark="scaling", measures=measures))
    page.write_text("a\n<!-- figures -->\nold\n<!-- end of figures -->\nz\n", encoding="utf-8")
    for _ in range(2):
        assert on_paper([str(result), "--write", str(page)]) == 0
        text = page.read_text(encoding="utf-8")
        assert text.startswith("a\n<!-- figures -->\n\n|") and "old" not in text
        assert text.endswith("|\n\n<!-- end of figures -->\nz\n")
    page.write_text("no marks", encoding="utf-8")
    assert on_paper([str(result), "--write", str(page)]) == 2
    assert "expected the lines <!-- figures -->" in capsys.readouterr().err
    assert page.read_text(encoding="utf-8") == "no marks"
