"""The characters of a checkpoint, in a dictionary beside it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from export.reversal.contract import ReversedContract
from export.reversal.matching import count_classes
from runtime.files import write_atomically
from runtime.recognition.charset import SPACE

_SUFFIX = "_dict.txt"
_SHOWN = 12
log = logging.getLogger("export")


def dictionary_beside(checkpoint: Path) -> Path:
    """Return the dictionary's place beside a checkpoint, `NAME_dict.txt`."""
    return checkpoint.with_name(f"{checkpoint.stem}{_SUFFIX}")


def write_dictionary(checkpoint: Path, characters: Sequence[str]) -> list[str]:
    """Write characters beside a checkpoint, one a line; a space that ends them is left out.

    PaddleOCR adds that space where `Global.use_space_char` says so.

    Args:
        checkpoint: its file.
        characters: of classes 1 .. K-1; nothing is written without any.

    Returns:
        the names that were written.
    """
    if not characters:
        return []
    listed = characters[:-1] if characters[-1] == SPACE else characters
    path = dictionary_beside(checkpoint)
    write_atomically(path, "".join(f"{character}\n" for character in listed).encode())
    return [path.name]


def told_of_classes(contract: ReversedContract) -> Mapping[str, Any]:
    """Tell what became of the classes, and log it."""
    if contract.classes is None:
        return {}
    counts, absent = count_classes(contract.classes), list(contract.absent)
    log.info(
        "characters: %d kept, %d of the file left out, %d that the file has not start fresh%s",
        *(counts["kept"], counts["left_out"], counts["fresh"]),
        f": {' '.join(absent[:_SHOWN])}{' …' if len(absent) > _SHOWN else ''}" if absent else "",
    )
    return {"characters": {**counts, "absent": absent[:_SHOWN]}}
