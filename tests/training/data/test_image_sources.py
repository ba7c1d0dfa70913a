"""Images as label files can list them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from runtime.images.sources import Page
from training.data.image_sources import (
    identity_of,
    listed_path,
    name_of,
    path_beside,
    relative_to,
    write_image,
)


@pytest.mark.parametrize("name", ["a\tb.png", "a\nb.png", " a.png", "a\udcff.png"], ids=ascii)
def test_names_that_a_label_file_would_not_give_back(name: str) -> None:
    assert listed_path(name) is None


def test_a_page_of_several_is_no_file_of_its_own(tmp_path: Path) -> None:
    assert listed_path(Page("a.tif", 1)) is None
    assert name_of(Page("a.tif", 1)) == "a.tif#page=2"
    assert listed_path("a.png") == str(Path("a.png").absolute())


def test_a_change_of_the_file_changes_the_names_of_its_parts(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    assert identity_of(str(file)) == (0, 0)
    before = path_beside(tmp_path, str(file), 3)
    file.write_bytes(b"x")
    after = path_beside(tmp_path, str(file), 3)
    assert before != after == path_beside(tmp_path, str(file), 3)
    assert after.name.endswith("_0003.png")


def test_images_are_written_whole_and_named_from_their_folder(tmp_path: Path) -> None:
    image = np.random.default_rng(1).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    path = tmp_path / "crops" / "a.png"
    write_image(path, image)
    assert np.array_equal(cv2.imread(str(path)), image)
    assert relative_to(str(path), tmp_path) == "crops/a.png"
    assert relative_to("/elsewhere/a.png", tmp_path) == "/elsewhere/a.png"
