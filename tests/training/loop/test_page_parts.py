"""Parts of an evaluation's page: names, pictures, and what is said of the rest."""

from __future__ import annotations

import base64
from typing import ClassVar

import cv2
import numpy as np
import pytest

from runtime.errors import ImageError
from training.data.sample import Sample
from training.loop.page_parts import (
    data_url,
    document,
    images_of,
    left_out,
    sample,
    shrunk_to_fit,
    without_folder,
)


class Source:
    """Three images, one of them encoded and one of them gone."""

    names: ClassVar = ("a", "gone", "b")

    def read(self, index: int, epoch: int) -> Sample:
        if index == 1:
            raise ImageError("gone")
        image = np.full((20, 30, 3), 40 * index, np.uint8)
        encoded = cv2.imencode(".png", image)[1].tobytes()
        return Sample(image if index == 0 else encoded, "", self.names[index])


@pytest.mark.parametrize(
    ("names", "folder", "short"),
    [
        (["/data/a/1.png", "/data/b/2.png"], "/data", ["a/1.png", "b/2.png"]),
        (["/data/1.png"], "/data", ["1.png"]),
        (["1.png", "a/2.png"], "", ["1.png", "a/2.png"]),
        (["/data/1.png", "key-2"], "", ["/data/1.png", "key-2"]),
        ([], "", []),
    ],
)
def test_the_folder_that_all_share_is_named_once(
    names: list[str], folder: str, short: list[str]
) -> None:
    found, by_name = without_folder(names)
    assert (found, list(by_name.values())) == (folder, short)
    assert list(by_name) == names


def test_images_are_those_of_the_samples_that_can_be_read() -> None:
    found = list(images_of({"gone", "b"}, Source(), range(3)))  # type: ignore[arg-type]
    ((name, image),) = found
    assert name == "b" and image.shape == (20, 30, 3) and (image == 80).all()
    twice = [*range(3), *range(3)]
    assert [name for name, _ in images_of({"a"}, Source(), twice)] == ["a"]  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "begins"), [("png", b"\x89PNG"), ("jpeg", b"\xff\xd8")])
def test_a_picture_stands_in_the_page(kind: str, begins: bytes) -> None:
    head, data = data_url(np.full((5, 30, 3), 80, np.uint8), kind).split(",")
    assert head == f"data:image/{kind};base64"
    content = base64.b64decode(data)
    assert content.startswith(begins)
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (5, 30, 3) and abs(int(decoded[0, 0, 0]) - 80) < 3


def test_an_image_is_shrunk_and_never_enlarged() -> None:
    image = np.zeros((100, 400, 3), np.uint8)
    small, scale = shrunk_to_fit(image, 50, 100)
    assert (small.shape, scale) == ((25, 100, 3), 0.25)
    same, scale = shrunk_to_fit(image, 1000, 1000)
    assert (same.shape, scale) == (image.shape, 1.0)
    flat, _ = shrunk_to_fit(np.zeros((1, 4000, 3), np.uint8), 100, 100)
    assert flat.shape == (1, 100, 3)


def test_a_title_and_a_name_are_text() -> None:
    text = document("<a>", [sample(None, "<b>told</b>", "<c>"), left_out(0), left_out(3)])
    assert "<title>&lt;a&gt;</title>" in text and "<b>told</b>" in text and "&lt;c&gt;" in text
    assert "no picture" in text and text.count("more</p>") == 1 and "and 3 more" in text
