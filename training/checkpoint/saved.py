"""Checkpoints in PaddleOCR's files: `.pdparams`, `.pdopt`, `.states`, and `.pdema` with averages.

The files of a save appear together: they are first written beside the old ones, and the set
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

OPTIMIZER, STATES, AVERAGES = ".pdopt", ".states", ".pdema"
_STAGED = ".new"
_NONE = b""
"""A staged file without content stands for one that the new set has not."""


def save_checkpoint(
    prefix: Path,
    parameters: Mapping[str, NDArray[Any]],
    optimizer_state: Mapping[str, Any],
    states: Mapping[str, Any],
    averages: Mapping[str, Any] | None = None,
) -> None:
    """Write `<prefix>.pdparams`, `.pdopt` and `.states` as one set, with averages also `.pdema`.

    Args:
        prefix: path without suffix.
        parameters: what is evaluated and deployed.
        optimizer_state: moments and learning rate.
        states: position and best figures.
        averages: of a run with averaged weights, whose `parameters` they are: `train_state`,
            the weights that it goes on with, and the averages themselves.

    Raises:
        CheckpointError: if the disk refuses; the set that was there before is whole.
    """
    contents = {PARAMETERS: parameters, OPTIMIZER: optimizer_state, AVERAGES: averages}
    try:
        recover(prefix)
        for suffix, content in [*contents.items(), (STATES, states)]:
            if content is not None:
                write_atomically(_file(prefix, suffix + _STAGED), dump_pickle(dict(content)))
            elif _file(prefix, suffix).is_file():
                write_atomically(_file(prefix, suffix + _STAGED), _NONE)
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
    for suffix in (PARAMETERS, OPTIMIZER, AVERAGES, STATES):
        staged = _file(prefix, suffix + _STAGED)
        if not staged.is_file():
            continue
        with suppress(FileNotFoundError):  # another process of this run was first
            if is_sealed and staged.stat().st_size > len(_NONE):
                staged.replace(_file(prefix, suffix))
                continue
            if is_sealed:
                _file(prefix, suffix).unlink(missing_ok=True)
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


def read_averages(prefix: Path) -> dict[str, Any] | None:
    """Read `<prefix>.pdema`: `train_state`, `ema_state` and `step`; None where there is none.

    Raises:
        CheckpointError: as `load_pickle`.
    """
    path = _file(prefix, AVERAGES)
    if not path.is_file():
        return None
    content = _read_mapping(path)
    return {
        name: _as_arrays(value) if isinstance(value, dict) else value
        for name, value in content.items()
    }


def _as_arrays(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return arrays by structured name; paddle saves each with a name of its own before it."""
    return {
        name: value[1] if isinstance(value, tuple) and len(value) == 2 else value
        for name, value in state.items()
        if name != NAME_TABLE
    }


def _read_mapping(path: Path) -> dict[str, Any]:
    content = load_pickle(path)
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{path} is not part of a checkpoint: expected names with values, got "
            f"{type(content).__name__}"
        )
    return {name: value for name, value in content.items() if name != NAME_TABLE}
