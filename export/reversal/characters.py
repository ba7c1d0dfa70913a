"""The characters of a checkpoint, in a dictionary beside it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from export.reversal.contract import ReversedContract
from export.reversal.matching import count_classes
from runtime.files import write_atomically

_SUFFIX = "_dict.txt"
_SHOWN = 12
log = logging.getLogger("export")


def dictionary_beside(checkpoint: Path) -> Path:
    """Return the dictionary's place beside a checkpoint, `NAME_dict.txt`."""
    return checkpoint.with_name(f"{checkpoint.stem}{_SUFFIX}")


def write_dictionary(checkpoint: Path, lines: Sequence[str]) -> list[str]:
    """Write a dictionary beside a checkpoint.

    Args:
        checkpoint: its file.
        lines: a character each; nothing is written without any.

    Returns:
        the names that were written.
    """
    if not lines:
        return []
    path = dictionary_beside(checkpoint)
    write_atomically(path, "".join(f"{line}\n" for line in lines).encode())
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
