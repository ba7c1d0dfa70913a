"""Lines cut from labelled pages."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from runtime.pages.result import PageLine, PageText
from runtime.recognition.spec import RecognizerSpec
from training.recipes.found_lines import found_lines, true_text
from training.recipes.page_lines import corners_of, cut_lines, main, wanted_texts


def page(folder: Path, name: str, texts: list[str]) -> None:
    folder.mkdir(exist_ok=True)
    cv2.imwrite(str(folder / "page.png"), np.full((40 + 60 * len(texts), 400, 3), 240, np.uint8))
    entries = [
        {"transcription": text, "points": [[380, y], [20, y], [20, y + 30], [380, y + 30]]}
        for y, text in enumerate(texts)
    ]
    for row, entry in enumerate(entries):
        entry["points"] = [[x, 20 + 60 * row + y - row] for x, y in entry["points"]]
    (folder / name).write_text(f"page.png\t{json.dumps(entries)}\n", encoding="utf-8")


def test_known_lines_are_cut_and_validated_ones_left_out(tmp_path: Path) -> None:
    texts = ["a line of the page", "###", "Ω", "another long line", "third of the lines",
             "the fourth long line", "read in validation"]  # fmt: skip
    page(tmp_path / "train", "train.txt", texts)
    page(tmp_path / "val", "val.txt", ["other words"])
    (tmp_path / "lines.tsv").write_text("x.png\tread in validation\n", encoding="utf-8")
    output = tmp_path / "pack"
    arguments = [str(tmp_path / "train/train.txt"), "--val", str(tmp_path / "val/val.txt")]
    (tmp_path / "x.png").touch()
    assert (
        main([*arguments, "--output", str(output), "--without", str(tmp_path / "lines.tsv")]) == 0
    )
    entries = (output / "train.tsv").read_text(encoding="utf-8").splitlines()
    cut = [entry.split("\t")[1] for entry in entries]
    assert cut == [texts[0], *texts[3:6]]
    image = cv2.imread(str(output / entries[0].split("\t")[0]))
    assert image is not None and image.shape[0] == 56 and image.shape[1] > 600


def test_corners_begin_at_the_upper_left_whatever_the_order() -> None:
    polygon = np.array([(90, 12), (10, 10), (10, 30), (50, 31), (90, 32)])
    corners = corners_of(polygon)
    assert corners[0, 0] < corners[1, 0] and corners[0, 1] < corners[3, 1]
    assert np.abs(corners[0] - (10, 10)).max() < 3


def test_lines_are_cut_as_a_reader_finds_them(tmp_path: Path) -> None:
    labels = ["FIRST LINE", "SECOND LINE", "12.50"]
    page(tmp_path / "train", "train.txt", labels)
    polygons = wanted_texts(
        (tmp_path / "train/train.txt").read_text(encoding="utf-8").split("\t")[1],
        "page.png",
        frozenset(),
    )
    assert polygons is not None
    moved = [[(x - 4, y + 3) for x, y in corners_of(polygon)] for polygon in polygons.polys]
    read = ["First Line", "XXXXXXXXXX", "12,50"]
    found = [PageLine(text, 0.9, tuple(points)) for text, points in zip(read, moved, strict=True)]
    found.append(PageLine("beside all labels", 0.9, ((0, 0), (9, 0), (9, 5), (0, 5))))
    spec = RecognizerSpec(tuple("ab"), height=56)
    pixels = cv2.imread(str(tmp_path / "train/page.png"))
    assert pixels is not None

    class Reader:
        def __call__(self, pages: list[object]) -> list[PageText]:
            return [PageText(tuple(found), ()) for _ in pages]

    found_there = found_lines(pixels, polygons, Reader(), True)  # type: ignore[arg-type]
    lines = list(cut_lines(pixels, found_there, spec))
    assert [text for _, text in lines] == ["First Line", "12.50"]
    assert all(line.shape[0] == 56 for line, _ in lines)


@pytest.mark.parametrize(
    ("label", "read", "are_capitals", "expected"),
    [
        ("Total", "xxxxx", False, "Total"),
        ("TOTAL", "Total", True, "Total"),
        ("TOTAL", "TOTAI", True, "TOTAL"),
        ("TOTAL", "Totai", True, None),
        ("TOTAL", "X", True, None),
        ("1.20", "I.2O", True, "1.20"),
    ],
)
def test_the_case_of_labels_in_capitals_is_read(
    label: str, read: str, are_capitals: bool, expected: str | None
) -> None:
    assert true_text(label, read, are_capitals) == expected
