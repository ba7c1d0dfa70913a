"""Changed pages show their texts where their labels say."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.pages import changed
from benchmarks.pages.changed import CHANGES, main
from benchmarks.pages.labels import LabelledPage, labelled_pages
from runtime.images.read import read_image

SIZES = {
    "plain": (100, 180),
    "turned_90": (180, 100),
    "turned_180": (100, 180),
    "turned_270": (180, 100),
    "side_by_side": (100, 367),
    "enlarged": (400, 720),
    "giant": (900, 1500),
}


def inside(page: LabelledPage) -> np.ndarray:
    """A mask of the labelled places, bool [h, w]."""
    mask = np.zeros(read_image(page.path).shape[:2], dtype=np.uint8)
    for points in page.polygons:
        cv2.fillPoly(mask, [np.round(points).astype(np.int32)], 1)
    return mask > 0


@pytest.mark.parametrize("name", CHANGES)
def test_texts_are_where_the_label_says(
    labels: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changed, "_GIANT", (1500, 900))
    output = tmp_path / "changed"
    words = ["--labels", str(labels), "--output", str(output), "--changes", name]
    assert main(words) == 0
    pages = labelled_pages(output / f"{name}.txt")
    assert len(pages) == 3
    for page in pages:
        pixels = read_image(page.path)[:, :, 0]
        if name in SIZES:
            assert pixels.shape == SIZES[name]
        dark, mask = pixels < 120, inside(page)
        assert (dark & mask).sum() / (dark | mask).sum() > 0.9
        assert (
            pixels[~cv2.dilate(mask.astype(np.uint8), np.ones((15, 15))).astype(bool)].min() > 200
        )
    if name == "giant":
        assert len(pages[0].texts) == 4 * 3
    if name == "side_by_side":
        assert len(pages[0].texts) == 6 and pages[1].texts == (
            *pages[0].texts[:3],
            *pages[0].texts[2::-1],
        )


def test_the_first_corner_turns_with_the_page(labels: Path, tmp_path: Path) -> None:
    words = ["--labels", str(labels), "--output", str(tmp_path), "--changes", "turned_90"]
    assert main(words) == 0
    points = labelled_pages(tmp_path / "turned_90.txt")[0].polygons[0]
    assert points.tolist() == [[80, 20], [80, 120], [60, 120], [60, 20]]


def test_the_same_seed_draws_the_same(labels: Path, tmp_path: Path) -> None:
    written = []
    for number, seed in enumerate(("3", "3", "4")):
        output = tmp_path / str(number)
        words = ["--labels", str(labels), "--output", str(output), "--seed", seed]
        assert main([*words, "--changes", "skewed"]) == 0
        written.append((output / "skewed.txt").read_text(encoding="utf-8"))
    assert written[0] == written[1] != written[2]


def test_pages_whose_labels_go_up_may_be_left_out(labels: Path, tmp_path: Path) -> None:
    output = tmp_path / "changed"
    words = ["--labels", str(labels), "--output", str(output), "--changes", "plain", "--by-rows"]
    assert main(words) == 0
    assert len(labelled_pages(output / "plain.txt")) == 2


def test_a_missing_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--labels", str(tmp_path / "no.txt"), "--output", str(tmp_path)]) == 2
    assert "no.txt" in capsys.readouterr().err
