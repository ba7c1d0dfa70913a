"""Carries out the instructions of a pickle that make plain values and arrays, without `pickle`.

A name in the file is looked up among a dozen tokens and never imported, and the arrays of a file
take no more memory than the file itself.
"""

from __future__ import annotations

import io
import math
import pickletools
import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NUMBER_KINDS = re.compile(r"[<>=|]?(b1|\?|[iu][1248]|f[248]|c8|c16)")
_KEY_TYPES = (str, int, float, bytes, type(None))


class Refused(Exception):
    """A pickle asked for what is not allowed; the message names it."""


class Token(Enum):
    """A name that a pickle of arrays may hold; a token cannot be called."""

    NDARRAY = auto()
    DTYPE = auto()
    RECONSTRUCT = auto()
    SCALAR = auto()
    FROM_BUFFER = auto()
    ENCODE = auto()
    ORDERED_DICT = auto()
    TUPLE = auto()
    BYTES = auto()
    PADDLE_TENSOR = auto()


_NAMES: dict[tuple[str, str], Token] = {
    ("numpy", "ndarray"): Token.NDARRAY,
    ("numpy", "dtype"): Token.DTYPE,
    ("collections", "OrderedDict"): Token.ORDERED_DICT,
    ("_codecs", "encode"): Token.ENCODE,
}
for _package in ("numpy.core", "numpy._core"):
    _NAMES[(f"{_package}.multiarray", "_reconstruct")] = Token.RECONSTRUCT
    _NAMES[(f"{_package}.multiarray", "scalar")] = Token.SCALAR
    _NAMES[(f"{_package}.numeric", "_frombuffer")] = Token.FROM_BUFFER
for _builtins in ("builtins", "__builtin__"):
    _NAMES[(_builtins, "tuple")] = Token.TUPLE
    _NAMES[(_builtins, "bytes")] = Token.BYTES
    # Paddle pickles a tensor as `eval("data", {"data": array})`; nothing is evaluated here.
    _NAMES[(_builtins, "eval")] = Token.PADDLE_TENSOR


@dataclass
class Kind:
    """A pickled `numpy.dtype`, while its byte order is not known yet."""

    dtype: np.dtype[Any]

    def set_state(self, state: object) -> None:
        if (
            not isinstance(state, tuple)
            or len(state) < 5
            or state[1] not in ("<", ">", "|", "=")
            or any(part is not None for part in state[2:5])
            or any(state[7:8])
        ):
            raise Refused("an array type that is not plain numbers")
        self.dtype = self.dtype.newbyteorder(state[1])


@dataclass
class Pending:
    """A pickled array, empty until its state arrives."""

    array: NDArray[Any] | None = None

    def set_state(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) != 5 or not isinstance(state[2], Kind):
            raise Refused("a malformed array")
        _, shape, kind, is_fortran, data = state
        if isinstance(data, list):
            raise Refused("an array of Python objects")
        self.array = _array(data, kind, shape, "F" if is_fortran else "C")


def _array(data: object, kind: object, shape: object, order: object) -> NDArray[Any]:
    """Return a read-only view of `data`, so that a file cannot make more bytes than it holds."""
    if isinstance(shape, int):
        shape = (shape,)
    if (
        not isinstance(data, bytes | bytearray)
        or not isinstance(kind, Kind)
        or not isinstance(shape, tuple)
        or not all(type(side) is int and side >= 0 for side in shape)
        or order not in ("C", "F")
    ):
        raise Refused("a malformed array")
    wanted = math.prod(shape) * kind.dtype.itemsize
    if wanted != len(data):
        raise Refused(f"an array of shape {list(shape)}: {wanted} bytes in {len(data)}")
    flat: NDArray[Any] = np.frombuffer(data, dtype=kind.dtype)
    flat.flags.writeable = False
    shaped: NDArray[Any] = flat.reshape(shape, order="F" if order == "F" else "C")
    return shaped


def _kind(description: object) -> Kind:
    text = description.decode("latin1") if isinstance(description, bytes) else description
    if not isinstance(text, str):
        raise Refused(f"an array of a type given by a {type(text).__name__}")
    if not _NUMBER_KINDS.fullmatch(text):
        raise Refused(f"an array of the type {text!r:.40}, not of numbers")
    return Kind(np.dtype(text))


class Machine:
    """Carries out the instructions of a pickle that make plain values and arrays."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.encoded: dict[int, tuple[str, bytes]] = {}

    def run(self, data: bytes) -> Any:
        """Return the value that `data` describes, with `Pending` in place of arrays."""
        argument: Any
        for opcode, argument, _ in pickletools.genops(io.BytesIO(data)):
            name = opcode.name
            if name in _LITERALS:
                self.stack.append(argument)
            elif name in _PUTS:
                self.memo[len(self.memo) if argument is None else argument] = self.stack[-1]
            elif name in _GETS:
                self.stack.append(self.memo[argument])
            elif name == "GLOBAL":
                module, _, attribute = argument.partition(" ")
                self.stack.append(_token(module, attribute))
            elif name in _ACTIONS:
                _ACTIONS[name](self)
            elif name not in ("PROTO", "FRAME", "STOP"):
                shown = _REFUSED_INSTRUCTIONS.get(name, f"the instruction {name}")
                raise Refused(shown if argument is None else f"{shown} ({argument!r:.80})")
        (value,) = self.stack
        return value

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def items(self) -> list[Any]:
        """Take off the stack what lies above the last mark."""
        items, self.stack = self.stack, self.below.pop()
        return items

    def make_tuple(self, count: int | None = None) -> None:
        if count is None:
            items = self.items()
        else:
            if len(self.stack) < count:
                raise IndexError("a tuple of more than there is")
            items = self.stack[-count:]
            del self.stack[-count:]
        self.stack.append(tuple(items))

    def append(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise Refused(f"to append to a {type(target).__name__}")
        target.extend(items)

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict or len(items) % 2:
            raise Refused(f"to set an entry of a {type(target).__name__}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, _KEY_TYPES):
                # Hashing nested tuples can overflow the stack or take for ever.
                raise Refused(f"an entry under a {type(key).__name__}")
            target[key] = value

    def make_list(self) -> None:
        items = self.items()
        self.stack.append(items)

    def make_dict(self) -> None:
        items = self.items()
        self.stack.append({})
        self.set_items(items)

    def stack_global(self) -> None:
        attribute, module = self.stack.pop(), self.stack.pop()
        self.stack.append(_token(module, attribute))

    def build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if not isinstance(target, Kind | Pending):
            shown = target.name if isinstance(target, Token) else type(target).__name__
            raise Refused(f"to set the state of {shown}")
        if isinstance(state, tuple) and state and isinstance(state[-1], str):
            state = (*state[:-1], self.latin1(state[-1]))  # bytes, as Python 2 wrote them
        target.set_state(state)

    def latin1(self, text: str) -> bytes:
        """Encode a text once only, or a small file could ask for its bytes without end."""
        return self.encoded.setdefault(id(text), (text, text.encode("latin1")))[1]

    def reduce(self) -> None:
        arguments, token = self.stack.pop(), self.stack.pop()
        if not isinstance(token, Token) or type(arguments) is not tuple:
            raise Refused(f"a call of a {type(token).__name__}")
        self.stack.append(self.called(token, arguments))

    def called(self, token: Token, arguments: tuple[Any, ...]) -> Any:
        """Return what the named constructor would return for the arguments that arrays need."""
        match token, arguments:
            case Token.RECONSTRUCT, (Token.NDARRAY, _, _):
                return Pending()
            case Token.DTYPE, (description, *_):
                return _kind(description)
            case Token.FROM_BUFFER, (data, kind, shape, order):
                return Pending(_array(data, kind, shape, order))
            case Token.SCALAR, (Kind() as kind, data):
                data = self.latin1(data) if isinstance(data, str) else data
                return _array(data, kind, (), "C")[()]
            case Token.ENCODE, (str() as text, "latin1" | "latin-1"):
                return self.latin1(text)
            case Token.ORDERED_DICT, ():
                return {}
            case Token.TUPLE, (tuple() as items,):
                return items
            case Token.BYTES, ():
                return b""
            case Token.PADDLE_TENSOR, ("data", {"data": data, **rest}) if not rest:
                return data
        shown = "eval" if token is Token.PADDLE_TENSOR else token.name.lower()
        # The arguments are not shown: writing out nested tuples can take for ever.
        raise Refused(f"a call of {shown} with arguments that no array needs")


def _token(module: object, attribute: object) -> Token:
    if not isinstance(module, str) or not isinstance(attribute, str):
        raise Refused("a name that is no text")
    if (module, attribute) not in _NAMES:
        raise Refused(f"the name {module}.{attribute}")
    return _NAMES[(module, attribute)]


_NUMBERS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
_BYTES = {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
_TEXTS = {"UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
_PYTHON_2_TEXTS = {"STRING", "BINSTRING", "SHORT_BINSTRING"}
_LITERALS = frozenset(_NUMBERS | _BYTES | _TEXTS | _PYTHON_2_TEXTS)
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})
_ACTIONS: dict[str, Any] = {
    "NONE": lambda machine: machine.stack.append(None),
    "NEWTRUE": lambda machine: machine.stack.append(True),
    "NEWFALSE": lambda machine: machine.stack.append(False),
    "EMPTY_DICT": lambda machine: machine.stack.append({}),
    "EMPTY_LIST": lambda machine: machine.stack.append([]),
    "EMPTY_TUPLE": lambda machine: machine.stack.append(()),
    "MARK": Machine.mark,
    "TUPLE": Machine.make_tuple,
    "TUPLE1": lambda machine: machine.make_tuple(1),
    "TUPLE2": lambda machine: machine.make_tuple(2),
    "TUPLE3": lambda machine: machine.make_tuple(3),
    "LIST": Machine.make_list,
    "DICT": Machine.make_dict,
    "APPEND": lambda machine: machine.append([machine.stack.pop()]),
    "APPENDS": lambda machine: machine.append(machine.items()),
    "SETITEM": lambda machine: machine.set_items([machine.stack.pop(-2), machine.stack.pop()]),
    "SETITEMS": lambda machine: machine.set_items(machine.items()),
    "STACK_GLOBAL": Machine.stack_global,
    "REDUCE": Machine.reduce,
    "BUILD": Machine.build,
}
_REFUSED_INSTRUCTIONS = {
    "PERSID": "a persistent reference",
    "BINPERSID": "a persistent reference",
    **dict.fromkeys(("EXT1", "EXT2", "EXT4"), "a registered extension"),
    **dict.fromkeys(("INST", "OBJ", "NEWOBJ", "NEWOBJ_EX"), "an instance of a class"),
    **dict.fromkeys(("NEXT_BUFFER", "READONLY_BUFFER"), "a buffer outside the file"),
    **dict.fromkeys(("EMPTY_SET", "ADDITEMS", "FROZENSET"), "a set"),
}
