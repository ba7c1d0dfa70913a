"""Reads pickles of unknown origin: their data, never their code.

PaddleOCR's checkpoints are pickles, and `pickle.load` runs any code that their author put into
them. A list of allowed names is not enough for it: an allowed function can still be altered, a
`numpy.dtype` can be made to treat numbers as pointers, and nested tuples overflow the stack. So
`pickle` is not used for reading at all; `pickle_machine` carries out the few instructions that
data needs.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from numpy.lib import format as npy_format

from runtime.errors import CheckpointError
from training.checkpoint.pickle_machine import Kind, Machine, Pending, Refused, Token

_MAX_DEPTH = 64


def load_pickle(path: Path) -> Any:
    """Read a pickle of plain data and numpy arrays.

    Args:
        path: the file, protocol 0 to 5.

    Returns:
        What was pickled: dicts, lists, tuples, numbers, text, bytes, arrays of numbers
        (read-only).

    Raises:
        CheckpointError: if it is missing, damaged, or asks for anything else.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"cannot read {path}: {error.strerror or error}; check the path"
        ) from error
    if data[:6] == npy_format.MAGIC_PREFIX or data[:2] == b"PK":
        raise CheckpointError(
            f"{path} is not a paddle checkpoint: expected a pickle of arrays, got a numpy or "
            "zip archive; give a .pdparams file"
        )
    try:
        return _plain(Machine().run(data), 0, {})
    except Refused as error:
        raise CheckpointError(
            f"{path} is refused: expected arrays and plain values only, got {error}; nothing in "
            "it was run. If you trust its author, ask for the weights as plain arrays"
        ) from error
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, MemoryError) as error:
        raise CheckpointError(
            f"{path} is damaged: expected a pickle of arrays, got {type(error).__name__}: "
            f"{error}; copy or download it again"
        ) from error


def dump_pickle(value: Any) -> bytes:
    """Pickle plain values and arrays so that paddle and `load_pickle` both read them."""
    return pickle.dumps(value, protocol=4)


def _plain(value: Any, depth: int, known: dict[int, Any]) -> Any:
    """Return `value` with arrays in place of `Pending`; each object is visited once."""
    if isinstance(value, Pending):
        if value.array is None:
            raise Refused("an array without content")
        return value.array
    if isinstance(value, Kind | Token):
        raise Refused("a type or function in place of a value")
    if not isinstance(value, dict | list | tuple):
        return value
    if depth > _MAX_DEPTH:
        raise Refused(f"values nested deeper than {_MAX_DEPTH}, or in themselves")
    if id(value) not in known:
        if isinstance(value, dict):
            plain: Any = {key: _plain(entry, depth + 1, known) for key, entry in value.items()}
        else:
            plain = type(value)(_plain(entry, depth + 1, known) for entry in value)
        known[id(value)] = plain
    return known[id(value)]
