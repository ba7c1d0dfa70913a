"""Reading pickles that may come from anyone: data yes, code never.

PaddleOCR's checkpoints are pickles, and a plain `pickle.load` of one runs whatever its author
wrote into it. Here only the few constructors that arrays are made of can be named.
"""

from __future__ import annotations

import codecs
import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy_format

from runtime.errors import CheckpointError

_ARRAY_KINDS = frozenset("biufcSUV")


def _reconstruct(array_type: object, shape: object, kind: object) -> np.ndarray[Any, Any]:
    """The empty array that a pickled array is poured into."""
    if array_type is not np.ndarray:
        raise pickle.UnpicklingError(f"an array of the type {array_type!r}")
    return np.empty((0,), dtype=np.int8)


def _dtype(description: object, *options: object) -> np.dtype[Any]:
    dtype = np.dtype(description)  # type: ignore[call-overload]
    if dtype.hasobject or dtype.kind not in _ARRAY_KINDS:
        raise pickle.UnpicklingError(f"an array of Python objects ({description!r})")
    return dtype  # type: ignore[no-any-return]


def _scalar(dtype: object, data: object = b"") -> Any:
    if not isinstance(dtype, np.dtype) or not isinstance(data, bytes):
        raise pickle.UnpicklingError("a malformed scalar")
    return np.frombuffer(data, dtype=dtype)[0]


def _frombuffer(buffer: object, dtype: object, shape: object, order: object) -> Any:
    if not isinstance(dtype, np.dtype) or order not in ("C", "F"):
        raise pickle.UnpicklingError("a malformed array")
    flat: np.ndarray[Any, Any] = np.frombuffer(buffer, dtype=dtype)  # type: ignore[call-overload]
    return flat.reshape(shape, order=order)  # type: ignore[call-overload]


def _encode(text: object, encoding: object = "latin1") -> bytes:
    """How protocol 2 writes bytes; any other codec is refused."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"text in the encoding {encoding!r}")
    return codecs.encode(text, "latin1")


def _paddle_tensor(expression: object, variables: object) -> Any:
    """Paddle pickles a nested tensor as `eval("data", {"data": array})`: take the array."""
    if expression == "data" and isinstance(variables, dict) and set(variables) == {"data"}:
        return variables["data"]
    raise pickle.UnpicklingError("a call of eval")


_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _encode,
    ("numpy", "dtype"): _dtype,
    ("numpy", "ndarray"): np.ndarray,
}
for _package in ("numpy.core", "numpy._core"):
    _ALLOWED[(f"{_package}.multiarray", "_reconstruct")] = _reconstruct
    _ALLOWED[(f"{_package}.multiarray", "scalar")] = _scalar
    _ALLOWED[(f"{_package}.numeric", "_frombuffer")] = _frombuffer
for _builtins in ("builtins", "__builtin__"):
    _ALLOWED[(_builtins, "eval")] = _paddle_tensor
    for _constructor in (tuple, list, dict, set, bytes, bytearray, int, float, complex):
        _ALLOWED[(_builtins, _constructor.__name__)] = _constructor


class _DataUnpickler(pickle.Unpickler):
    """Refuses every name that is not on the list, and every outside reference."""

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        try:
            return _ALLOWED[(module, name)]  # type: ignore[no-any-return]
        except KeyError:
            raise pickle.UnpicklingError(f"the name {module}.{name}") from None

    def persistent_load(self, pid: object) -> Any:
        raise pickle.UnpicklingError("a persistent reference")


def load_pickle(path: Path) -> Any:
    """Read a pickle of plain data and numpy arrays.

    Args:
        path: the file, protocol 0 to 5.

    Returns:
        What was pickled: dicts, lists, numbers, text, arrays.

    Raises:
        CheckpointError: if it is missing, damaged, or names anything that could run code.
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
        return _DataUnpickler(io.BytesIO(data), encoding="latin1").load()
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} is refused: expected arrays and plain values only, got {error}; nothing in "
            "it was run. If you trust its author, ask for the weights as plain arrays"
        ) from error
    except RecursionError as error:
        raise CheckpointError(f"{path} is refused: it is nested without end") from error
    except (
        *(EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError),
        *(ImportError, MemoryError, OverflowError, UnicodeDecodeError),
    ) as error:
        raise CheckpointError(
            f"{path} is damaged: expected a pickle of arrays, got {type(error).__name__}: "
            f"{error}; copy or download it again"
        ) from error


def dump_pickle(value: Any) -> bytes:
    """Pickle plain values and arrays so that paddle and `load_pickle` both read them."""
    return pickle.dumps(value, protocol=4)
