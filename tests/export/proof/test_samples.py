"""Which of many images are opened to compare on."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from export.proof.samples import readable_images
from runtime.errors import ParityError


def test_of_many_images_only_those_chosen_are_opened(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(9):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((8, 8, 3), number, np.uint8))
    for number in (1, 3, 4):
        (tmp_path / f"{number}.png").write_bytes(b"no image")
    named, num_unreadable = readable_images([tmp_path], most=3)
    assert [Path(path).name for path in named] == ["0.png", "6.png"]
    assert num_unreadable == 1
    caplog.clear()
    with caplog.at_level(logging.WARNING, "export"):
        named, num_unreadable = readable_images([tmp_path])
    assert (len(named), num_unreadable) == (6, 3)
    assert sum("left out" in message for message in caplog.messages) == 3


def test_none_that_can_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(b"no image")
    with pytest.raises(ParityError, match="no readable image"):
        readable_images([tmp_path], most=3)
