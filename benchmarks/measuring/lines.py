"""The lines that are read, with their labels where there are any."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from runtime.errors import DatasetError
from runtime.images.read import find_images
from runtime.recognition.labels import labelled_images

_LABEL_SUFFIXES = (".tsv", ".txt")


@dataclass(frozen=True)
class LabelledLine:
    """One line image.

    Args:
        path: of the image file.
        text: what stands in it, None if unknown.
    """

    path: str
    text: str | None


def find_lines(source: Path, count: int) -> list[LabelledLine]:
    """Find the first lines of a label file, of a folder's label files or packs, or of its images.

    Args:
        source: a label file (path<TAB>text, relative to it), or a folder, of packs too, which
            are folders with `val.tsv`.
        count: how many at most.

    Raises:
        DatasetError: if there is none, or a file is missing.
    """
    lines = list(itertools.islice(_lines(source), count))
    missing = next((line.path for line in lines if not Path(line.path).is_file()), None)
    if not lines or missing is not None:
        raise DatasetError(
            f"cannot measure on {source}: expected a label file (path<TAB>text) or a folder of "
            f"images, got {f'no file {missing}' if missing else 'no lines'}; check the path"
        )
    return lines


def _lines(source: Path) -> Iterator[LabelledLine]:
    if source.is_file():
        yield from _labelled_lines(source)
        return
    label_files = [
        file
        for file in sorted(source.glob("*"))
        if file.suffix in _LABEL_SUFFIXES and next(_labelled_lines(file), None) is not None
    ]
    for file in label_files:
        yield from _labelled_lines(file)
    packs = [] if label_files else sorted(source.glob("*/val.tsv"))
    # One of each in turn, so that the first lines are of all packs alike.
    for row in itertools.zip_longest(*map(_labelled_lines, packs)):
        yield from (line for line in row if line is not None)
    if not label_files and not packs and source.is_dir():
        yield from (LabelledLine(path, None) for path in find_images([source]))


def _labelled_lines(file: Path) -> Iterator[LabelledLine]:
    return (LabelledLine(str(path), text) for path, text in labelled_images(file))


def write_lines(file: Path, lines: Sequence[LabelledLine]) -> None:
    """Write lines for another process to read with `read_lines`."""
    file.write_text(json.dumps([asdict(line) for line in lines]), encoding="utf-8")


def read_lines(file: Path) -> list[LabelledLine]:
    """Read what `write_lines` has written."""
    return [LabelledLine(**entry) for entry in json.loads(file.read_text(encoding="utf-8"))]
