"""Checkpoints in PaddleOCR's files: `.pdparams`, `.pdopt`, `.states`.

The three files of a save appear together: they are first written beside the old ones, and the set
is complete ("sealed") once the last of them is there, so that a run killed at any moment leaves
either the old or the new set.
"""

from __future__ import annotations

import glob
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from runtime.errors import CheckpointError
from runtime.files import write_atomically
from training.checkpoint.parameters import NAME_TABLE, PARAMETERS
from training.checkpoint.safe_pickle import dump_pickle, load_pickle

OPTIMIZER, STATES = ".pdopt", ".states"
_STAGED = ".new"


def save_checkpoint(
    prefix: Path,
    parameters: Mapping[str, NDArray[Any]],
    optimizer_state: Mapping[str, Any],
    states: Mapping[str, Any],
) -> None:
    """Write `<prefix>.pdparams`, `.pdopt` and `.states` as one set.

    Raises:
        CheckpointError: if the disk refuses; the set that was there before is whole.
    """
    contents = {PARAMETERS: parameters, OPTIMIZER: optimizer_state, STATES: states}
    try:
        recover(prefix)
        for suffix, content in contents.items():
            write_atomically(_file(prefix, suffix + _STAGED), dump_pickle(dict(content)))
        recover(prefix)
    except OSError as error:
        with suppress(OSError):
            recover(prefix)  # an incomplete set only takes up room
        raise CheckpointError(
            f"cannot write the checkpoint {prefix}: {error.strerror or error}; the files saved "
            "before are whole: make room, then resume from the newest with Global.checkpoints"
        ) from error


def is_waiting(prefix: Path) -> bool:
    """Tell whether a save that was cut off can be finished by `recover`."""
    return _file(prefix, STATES + _STAGED).is_file()


def recover(prefix: Path) -> None:
    """Finish a save that was cut off after it was sealed, or drop one that was not."""
    is_sealed = is_waiting(prefix)
    for suffix in (PARAMETERS, OPTIMIZER, STATES):
        staged = _file(prefix, suffix + _STAGED)
        if not staged.is_file():
            continue
        with suppress(FileNotFoundError):  # another process of this run was first
            if is_sealed:
                staged.replace(_file(prefix, suffix))
            else:
                staged.unlink()
    for part in prefix.parent.glob(f".{glob.escape(prefix.name)}.*{_STAGED}.part*"):
        part.unlink(missing_ok=True)


def _file(prefix: Path, suffix: str) -> Path:
    return prefix.with_name(prefix.name + suffix)


def read_optimizer_state(prefix: Path) -> dict[str, Any]:
    """Read `<prefix>.pdopt`.

    Raises:
        CheckpointError: as `load_pickle`.
    """
    return _read_mapping(_file(prefix, OPTIMIZER))


def read_states(prefix: Path) -> dict[str, Any]:
    """Read `<prefix>.states`: epoch, steps and best figures.

    Raises:
        CheckpointError: as `load_pickle`.
    """
    return _read_mapping(_file(prefix, STATES))


def _read_mapping(path: Path) -> dict[str, Any]:
    content = load_pickle(path)
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{path} is not part of a checkpoint: expected names with values, got "
            f"{type(content).__name__}"
        )
    return {name: value for name, value in content.items() if name != NAME_TABLE}
