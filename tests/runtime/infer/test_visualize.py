"""Drawings show the image, its words and the text, whatever the image and the script."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from runtime.errors import ArtifactError
from runtime.infer.recognition.drawing import drawing
from runtime.infer.visualize import Visualizer
from runtime.recognition.result import Recognition

pytest.importorskip("PIL", reason="text is drawn by Pillow")

MOST = 2**20
WORD = Recognition(
    text="ab",
    confidence=0.75,
    characters=("a", "b"),
    character_confidences=(0.5, 1.0),
    time_steps=(2, 7),
    source="scans/a b.png",
    width_px=300,
    height_px=40,
    input_width_px=300,
    content_width_px=300,
    num_time_steps=10,
)


def grey(width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), 128, dtype=np.uint8)


def test_the_image_stands_above_its_text() -> None:
    drawn = drawing(grey(300, 40), WORD)
    assert drawn.shape[1] == 300 and drawn.shape[0] > 80
    left, _, right, _ = (round(edge) for edge in WORD.words[0].box)
    assert (drawn[20, left + 2 : right - 2] == 128).all(), "the image is there as it was"
    assert (drawn[20, left] != 128).any() and (drawn[20, right] != 128).any(), "the word's box"
    assert drawn[40:].min() < 60 and (drawn[40:] == 255).all(axis=2).mean() > 0.5, "ink on paper"


def test_what_was_misread_is_marked_with_what_is_right() -> None:
    drawn = drawing(grey(300, 40), WORD)
    marked = drawing(grey(300, 40), WORD, "another text")

    def has_red(image: np.ndarray) -> bool:
        blue, green, red = (image[40:, :, place].astype(int) for place in range(3))
        return bool(((red - blue > 150) & (red - green > 150)).any())

    assert has_red(marked) and not has_red(drawn)


@pytest.mark.parametrize("text", ["", "日本語", "שלום", "e\u0301", "\U0010fffd", "a\nb", "\udcff"])
def test_every_script_is_drawn_somehow(text: str) -> None:
    drawn = drawing(grey(100, 30), Recognition(text=text, confidence=0.5))
    assert drawn.ndim == 3 and drawn.shape[0] > 30


@pytest.mark.parametrize("size", [(1, 1), (20_000, 10), (10, 20_000)])
def test_extreme_images_get_a_bearable_size(size: tuple[int, int]) -> None:
    drawn = drawing(grey(*size), Recognition(text="x" * 900, confidence=0.5))
    assert drawn.shape[1] <= 4000 and drawn.shape[0] <= 500


def test_files_are_numbered_and_named_after_their_sources(tmp_path: Path) -> None:
    visualizer = Visualizer(tmp_path / "new" / "folder", drawing, MOST)
    source = tmp_path / "a b.png"
    cv2.imwrite(str(source), grey(300, 40))
    visualizer.draw(str(source), WORD)
    failed = Recognition(text="", confidence=0.0, source="x/\udcff.png", error="the file is empty")
    visualizer.draw(b"", failed)
    names = sorted(os.listdir(tmp_path / "new" / "folder"))
    assert names == ["000001_a_b.png.png", "000002__.png.png"]
    assert all(cv2.imread(str(tmp_path / "new" / "folder" / name)) is not None for name in names)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match="cannot make the folder"):
        Visualizer(tmp_path / "file" / "folder", drawing, MOST)


def test_drawings_of_a_run_that_goes_on_are_added(tmp_path: Path) -> None:
    for goes_on in (False, True):
        visualizer = Visualizer(tmp_path, drawing, MOST, goes_on)
        for _ in range(2):
            visualizer.draw(grey(30, 20), WORD)
    names = sorted(os.listdir(tmp_path))
    assert names == [f"{number:06}_a_b.png.png" for number in range(1, 5)]


def test_drawing_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(ArtifactError, match="No space left on device; make room"):
        Visualizer(tmp_path, drawing, MOST).draw(grey(30, 20), WORD)
    assert not os.listdir(tmp_path)
