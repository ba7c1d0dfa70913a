"""Labels in a CSV file, as spreadsheets write them: a column of paths and one of texts."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

_PATHS = frozenset({"file", "filename", "file_name", "path", "image", "image_path", "name", "img"})
_TEXTS = frozenset({"text", "texts", "words", "word", "label", "labels", "transcription", "gt"})
_DELIMITERS = (",", ";", "\t")
_LONGEST_CELL = 2**20
"""Characters; a longer one is what an unclosed quotation mark makes of a file."""


def csv_labels(text: str) -> list[tuple[int, str | None, str]]:
    """Return the number of each row, its path and its text; None for a path where it has none.

    Columns are named by a first row such as `file,text`, or are the first two. The delimiter is the
    one that makes the most columns of the first row.

    Args:
        text: of the file.
    """
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    columns: tuple[int, int] | None = None
    rows: list[tuple[int, str | None, str]] = []
    before = csv.field_size_limit(_LONGEST_CELL)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        for cells in reader:
            number = reader.line_num
            if columns is None:
                columns = _named(cells)
                if columns is not None:
                    continue
                columns = (0, 1)
            if not any(cells):
                continue
            path, label = (cells[place] if place < len(cells) else None for place in columns)
            rows.append((number, path if label is not None else None, label or ""))
    except csv.Error:
        rows.append((reader.line_num, None, ""))
    finally:
        csv.field_size_limit(before)
    return rows


def _named(cells: Sequence[str]) -> tuple[int, int] | None:
    """Return the places of the columns that a first row names; None where it is a label."""
    names = [cell.strip().lower() for cell in cells]
    paths = [place for place, name in enumerate(names) if name in _PATHS]
    texts = [place for place, name in enumerate(names) if name in _TEXTS]
    return (paths[0], texts[0]) if paths and texts else None
