"""Words, boxes and order are counted as said, and labels read."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.pages.labels import labelled_pages
from benchmarks.pages.scores import FoundLine, PageScores
from runtime.errors import DatasetError
from tests.benchmarks.pages.conftest import BOXES, TEXTS, corners

LINES = [FoundLine(text, corners(box)) for text, box in zip(TEXTS, BOXES, strict=True)]


def test_a_page_that_is_right_has_full_scores(labels: Path) -> None:
    scores = PageScores()
    scores.add(labelled_pages(labels)[0], LINES)
    figures = scores.figures()
    assert figures["word_f1"] == figures["box_f1"] == figures["order"] == 1.0


def test_words_count_as_often_as_they_stand_there(labels: Path) -> None:
    scores = PageScores()
    scores.add(labelled_pages(labels)[0], [LINES[0], LINES[0], LINES[1]])
    figures = scores.figures()
    assert figures["word_recall"] == 3 / 4 and figures["word_precision"] == 3 / 5


@pytest.mark.parametrize(("ignores_case", "expected"), [(False, 0.0), (True, 1.0)], ids=str)
def test_case_may_be_ignored(labels: Path, ignores_case: bool, expected: float) -> None:
    scores = PageScores(ignores_case)
    lowered = [FoundLine(line.text.lower(), line.points) for line in LINES[:1]]
    scores.add(labelled_pages(labels)[0], lowered)
    assert scores.figures()["word_precision"] == expected


def test_order_is_of_labels_that_follow_each_other(labels: Path) -> None:
    page = labelled_pages(labels)[0]
    swapped, with_more, without_middle = PageScores(), PageScores(), PageScores()
    swapped.add(page, [LINES[0], LINES[2], LINES[1]])
    assert swapped.figures()["order"] == 0.0
    between = FoundLine("more", corners((20, 90, 60, 99)))
    with_more.add(page, [LINES[0], between, LINES[1], LINES[2]])
    assert with_more.figures()["order"] == 1.0
    without_middle.add(page, [LINES[0], LINES[2]])
    assert without_middle.following == 0 and without_middle.figures()["order"] == 0.0


def test_what_is_ignored_counts_nowhere(labels: Path) -> None:
    text = labels.read_text(encoding="utf-8").replace('"ITEM"', '"###"')
    labels.write_text(text, encoding="utf-8")
    scores = PageScores()
    scores.add(labelled_pages(labels)[0], LINES)
    figures = scores.figures()
    assert figures["box_precision"] == 1.0 and figures["word_precision"] == 3 / 4
    assert scores.following == 0


def test_labels_are_read(labels: Path) -> None:
    pages = labelled_pages(labels)
    assert [page.goes_down for page in pages] == [True, True, False]
    assert pages[0].texts == tuple(TEXTS)
    assert pages[0].polygons[0].tolist() == corners(BOXES[0])
    assert len(labelled_pages(labels, 2)) == 2


def test_a_missing_image_is_named(labels: Path) -> None:
    (labels.parent / "b.png").unlink()
    with pytest.raises(DatasetError, match=r"b\.png"):
        labelled_pages(labels)


def test_a_file_without_a_page_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "none.txt"
    empty.write_text("")
    with pytest.raises(DatasetError, match="no page"):
        labelled_pages(empty)
