"""Images of lines to put into label files and databases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

MakeLine = Callable[..., NDArray[np.uint8]]


@pytest.fixture(scope="session")
def make_line() -> MakeLine:
    """Makes a BGR line image uint8 [height, width, 3] with a digit-like stroke in it."""

    def make(width: int = 60, height: int = 24, seed: int = 0) -> NDArray[np.uint8]:
        rng = np.random.default_rng(seed)
        image = np.full((height, width, 3), 230, np.uint8)
        for _ in range(4):
            start, stop = (rng.integers(0, (width, height)).tolist() for _ in range(2))
            cv2.line(image, start, stop, (20, 30, 40), 2)
        return image

    return make


@pytest.fixture(scope="session")
def encode() -> Callable[[NDArray[np.uint8]], bytes]:
    """Makes the bytes of a PNG."""

    def png(image: NDArray[np.uint8]) -> bytes:
        return cv2.imencode(".png", image)[1].tobytes()

    return png


@pytest.fixture
def write_lines(
    tmp_path: Path, make_line: MakeLine, encode: Callable[[NDArray[np.uint8]], bytes]
) -> Callable[[Mapping[str, str]], Path]:
    """Writes {name: text} as images with a label file; gives the label file's path."""

    def write(lines: Mapping[str, str]) -> Path:
        for seed, name in enumerate(lines):
            place = tmp_path / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(encode(make_line(40 + 10 * seed, seed=seed)))
        file = tmp_path / "labels.txt"
        file.write_text("".join(f"{name}\t{text}\n" for name, text in lines.items()), "utf-8")
        return file

    return write
