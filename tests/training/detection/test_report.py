"""What a data set of pages holds: kept, dropped and why, and odd polygons."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.errors import DatasetError
from tests.training.detection.plans import HEIGHT, WIDTH, write_pages
from training.data.label_file import SimpleDataSet
from training.detection import report as report_module
from training.detection.report import PageReport, inspect_pages, reaches_beyond, shorter_sides

Inspect = Callable[[dict[str, Any]], PageReport]
BOX = [[4, 4], [60, 4], [60, 20], [4, 20]]


def text(points: Any = BOX, transcription: Any = "x") -> dict[str, Any]:
    return {"transcription": transcription, "points": points}


@pytest.fixture
def inspect(tmp_path: Path) -> Inspect:
    """Inspects a label file of these rows; `0.png` to `5.png` are there."""
    data = write_pages(tmp_path)
    (data / "broken.png").write_text("not an image")

    def inspect(rows: dict[str, Any]) -> PageReport:
        lines = [
            f"{name}\t{label if isinstance(label, str) else json.dumps(label)}\n"
            for name, label in rows.items()
        ]
        file = tmp_path / "labels.txt"
        file.write_text("".join(lines), encoding="utf-8")
        source = SimpleDataSet(str(data), [str(file)])
        return inspect_pages(source, "Train", source.malformed, source.notes)

    return inspect


def test_counts_and_reasons(inspect: Inspect) -> None:
    report = inspect(
        {
            "0.png": [text(), text(transcription="###"), text(transcription="*")],
            "1.png": [],
            "2.png": "a line of text",
            "3.png": [text([[0, 0], [1, 1]])],
            "broken.png": [text()],
            "missing.png": [text()],
            "4.png": [text([[0, float("nan")], [1, 1], [0, 1]])],
            "5.png": [text()],
        }
    )
    assert report.kept == [0, 7]
    assert report.dropped == {
        "without text": [1, 6],
        "label that cannot be used": [2, 3],
        "unreadable": [4, 5],
    }
    assert (report.num_texts, report.num_ignored) == (4, 2)
    told = "\n".join(report.lines())
    assert told.startswith("Train: 2 pages kept, 6 dropped\n")
    assert "2 without text, e.g. page 1: no text in the label; page 6: no text" in told
    assert "page 2: the label is no JSON" in told
    assert "page 3: expected 3 to 1000 points of each text, got 2" in told
    assert "4 texts, 2 of them ignored (* or ###)" in told
    assert f"longer side px: {WIDTH}: 2" in told and "texts a page: 1: 1, 3: 1" in told
    assert "median height of a page's texts px: 16: 2" in told
    assert report.num_tried == 4
    with pytest.raises(DatasetError, match=r"2 of 4 images could not be read.*broken"):
        report.refuse_unreadable(0.3)
    figures = report.as_json()
    assert figures["dropped"]["without text"] == 2 and figures["texts"] == 4


def test_odd_polygons_are_counted_with_their_pages(inspect: Inspect) -> None:
    crossing = [[4, 4], [60, 20], [60, 4], [4, 20]]
    flat = [[4, 4], [60, 4], [60, 4], [4, 4]]
    outside = [[4, 4], [WIDTH + 9, 4], [WIDTH + 9, 20], [4, 20]]
    unknown = [[4, 4], [float("inf"), 4], [60, 20]]
    report = inspect(
        {
            "0.png": [text(), text(crossing), text(flat)],
            "1.png": [text(outside), text(crossing), text(unknown)],
        }
    )
    assert report.odd == {
        report_module.WITHOUT_AREA: 1,
        report_module.CROSSING: 2,
        report_module.OUTSIDE: 1,
        report_module.LEFT_OUT: 1,
    }
    told = "\n".join(report.lines())
    assert "2 polygons cross themselves and count in no figure, e.g. on page 0; page 1" in told
    assert "1 polygons reach beyond their image, e.g. on page 1" in told
    assert report.as_json()["odd_polygons"][report_module.CROSSING] == 2


def test_a_set_without_a_page_is_refused_with_its_report(inspect: Inspect) -> None:
    with pytest.raises(DatasetError, match=r"(?s)1 without text.*Train: no page can be used"):
        inspect({"0.png": []})


def test_of_a_large_set_an_evenly_spread_part_is_decoded(
    inspect: Inspect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_module, "MOST_DECODED", 5)
    monkeypatch.setattr(report_module, "NUM_SPREAD", 3)
    report = inspect({f"{number}.png": [text()] for number in range(6)})
    assert (report.num_tried, report.num_decoded, len(report.kept)) == (6, 3, 6)
    assert sum(report.sides.values()) == 3
    assert "3 of 6 images decoded, evenly spread" in "\n".join(report.lines())


def test_the_hash_follows_labels_and_images(inspect: Inspect) -> None:
    rows = {f"{number}.png": [text()] for number in range(2)}
    first = inspect(rows).sha256
    assert inspect(rows).sha256 == first
    assert inspect({**rows, "1.png": [text(transcription="y")]}).sha256 != first
    assert inspect({**rows, "2.png": [text()]}).sha256 != first


def test_of_rendered_pages_the_first_are_looked_at() -> None:
    class Rendered:
        def __len__(self) -> int:
            return 9

        def text(self, index: int, epoch: int) -> str:
            assert index < 3
            return json.dumps([text()] * (index + 1))

        def ratio(self, index: int, epoch: int) -> float:
            return 0.7

    report = inspect_pages(Rendered(), "Train", looked_at=3)  # type: ignore[arg-type]
    assert report.kept == list(range(9)) and report.num_texts == 6
    assert (report.num_tried, report.num_decoded) == (3, 0)
    assert report.lines()[0] == "Train: 9 pages kept, 0 dropped"


def test_sides_and_borders() -> None:
    polys = np.array([BOX, [[-3, 4], [60, 4], [60, 20], [4, 20]]], np.float32)
    assert shorter_sides(polys).tolist() == [16, 16]
    assert reaches_beyond(polys, HEIGHT, WIDTH).tolist() == [False, True]
    assert reaches_beyond(polys, 17, 59).tolist() == [True, True]
    assert reaches_beyond(polys[:1], 18, 58).tolist() == [False]
