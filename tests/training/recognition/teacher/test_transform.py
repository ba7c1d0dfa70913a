"""Teachers read an image as it was decoded."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from runtime.errors import EngineError, ImageError
from training.data.decode_image import DecodeImage
from training.data.sample import Draw, Sample
from training.recognition.teacher.transform import ReadByTeachers

DRAW = Draw(np.random.default_rng(0), lambda: Sample(None, "", ""))


class Measure:
    """A teacher that reads the size of an image, and nothing in a black one."""

    def __init__(self, name: str) -> None:
        self.plan = SimpleNamespace(name=name)

    def read(self, images: Sequence[Any]) -> list[Any]:
        if not images[0].any():
            raise EngineError("too dark")
        return [image.shape for image in images]


def read_by(*names: str) -> ReadByTeachers:
    teachers: Any = [Measure(name) for name in names]
    return ReadByTeachers(DecodeImage(), teachers)


def test_readings_stand_beside_the_image(encode: Any, make_line: Any) -> None:
    line = make_line(60, 24)
    sample = read_by("Teacher", "Other")(Sample(encode(line), "text", "name"), DRAW)
    assert np.array_equal(sample.image, line)
    assert sample.readings == {"Teacher": (24, 60, 3), "Other": (24, 60, 3)}
    assert sample.values == {}


def test_what_cannot_be_read_is_an_error_of_the_sample(encode: Any) -> None:
    with pytest.raises(ImageError):
        read_by("Teacher")(Sample(b"no image", "text", "name"), DRAW)
    black = encode(np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(EngineError, match="too dark"):
        read_by("Teacher")(Sample(black, "text", "name"), DRAW)


def test_processes_that_load_data_need_no_paddle() -> None:
    modules = "recognition.teacher.line_teacher, training.recognition.teacher.readings"
    command = (
        f"import sys, training.{modules}, training.recognition.teacher.transform\n"
        "import training.detection.teacher.page_teacher, training.detection.teacher.transform\n"
        "sys.exit('paddle' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", command], check=False).returncode == 0
