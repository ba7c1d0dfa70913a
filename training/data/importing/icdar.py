"""ICDAR's ground truth of pages: a text file for each picture, a line for each text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from runtime.errors import DatasetError
from training.data.importing.files import text_of
from training.data.importing.page import (
    IGNORED,
    ImportedPage,
    LabelledText,
    labelled,
    numbers_in,
    page_of,
)

_NUMBER = r"\s*-?\d+(?:\.\d+)?\s*"
_FOUR_CORNERS = re.compile(rf"^((?:{_NUMBER},){{7}}{_NUMBER}),(.*)$", re.DOTALL)
_TWO_CORNERS = re.compile(rf"^((?:{_NUMBER}[,\s]){{3}}{_NUMBER}?)[,\s]\s*(\".*\"|[^\"]*)$")
_PREFIX = re.compile(r"^(gt_|res_)")


class Icdar:
    """A `Format`: `x1,y1,…,x4,y4,text` (2015) or `left, top, right, bottom, "text"` (2013).

    `gt_img_1.txt` belongs to the picture `img_1`, whatever its kind.
    """

    suffixes: ClassVar[Sequence[str]] = (".txt",)

    def read(self, file: Path) -> Iterator[ImportedPage]:
        """Yield the page of a file."""
        lines = [line.strip("\r") for line in text_of(file).split("\n")]
        texts = (
            _text_of(line, f"{file}:{number}")
            for number, line in enumerate(lines, start=1)
            if line.strip()
        )
        yield page_of(_PREFIX.sub("", file.stem), texts, str(file))


def _text_of(line: str, where: str) -> LabelledText | None:
    found = _FOUR_CORNERS.match(line) or _TWO_CORNERS.match(line)
    if found is None:
        raise DatasetError(
            f"{where}: expected x1,y1,x2,y2,x3,y3,x4,y4,text or left, top, right, bottom, text, "
            f"got {line[:60]!r}"
        )
    numbers, text = numbers_in(found[1], where), found[2]
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):
        text = text[1:-1]
    points = list(zip(numbers[::2], numbers[1::2], strict=True))
    return labelled(points, text or IGNORED, where)
