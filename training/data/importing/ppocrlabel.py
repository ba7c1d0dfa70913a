"""PPOCRLabel's `Label.txt`, and PaddleOCR's labels of pages: path, tab, JSON list of lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from runtime.errors import DatasetError
from runtime.recognition.labels import read_labels
from training.data.importing.files import json_of
from training.data.importing.page import IGNORED, ImportedPage, LabelledText, labelled, page_of

_NOT_READ = frozenset({"", "*", IGNORED})


class PPOCRLabel:
    """A `Format`: `transcription`, `points` and perhaps `difficult` of each line."""

    suffixes: ClassVar[Sequence[str]] = (".txt", ".tsv")

    def read(self, file: Path) -> Iterator[ImportedPage]:
        """Yield a page for each line of the file."""
        for row in read_labels(file).rows:
            where = f"{file}:{row.number}"
            entries = json_of(row.text, where)
            if not isinstance(entries, list):
                raise DatasetError(f"{where}: expected a list of lines, got {row.text[:40]!r}")
            yield page_of(row.names[0], (_text_of(entry, where) for entry in entries), where)


def _text_of(entry: object, where: str) -> LabelledText | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("points"), list):
        raise DatasetError(f"{where}: expected transcription and points, got {str(entry)[:60]!r}")
    text = str(entry.get("transcription", ""))
    is_ignored = text.strip() in _NOT_READ or entry.get("difficult") is True
    return labelled(entry["points"], IGNORED if is_ignored else text, where)
