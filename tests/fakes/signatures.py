"""Signatures of TensorRT's real bindings, told by their docstrings, and calls held against them.

    python -m tests.fakes.signatures MODULE > tests/fakes/tensorrt_api/signatures-VERSION.json

MODULE is `tensorrt_rtx` or, for TensorRT's lean runtime, `tensorrt_lean_bindings`: PyPI has both as
real wheels that import without a GPU.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from functools import cache
from typing import Any

from tests.fakes.strict import FOLDER

CLASSES = (
    *("Runtime", "ICudaEngine", "IExecutionContext", "IRuntimeConfig", "IRuntimeCache"),
    *("IOptimizationProfile", "IBuilderConfig", "Builder", "INetworkDefinition", "OnnxParser"),
    *("ITimingCache", "IHostMemory", "EngineInspector"),
)
_PREFIX = re.compile(r"\b(?:tensorrt\w*\.)+")
_LINE = re.compile(r"^(?:\d+\. )?(\w+)\((.*)\) -> (.+)$", re.MULTILINE)

Overload = dict[str, Any]


def overloads_of(docstring: str) -> list[Overload]:
    """Read what pybind11 writes: one line for each overload, arguments with their types."""
    found = []
    for _, arguments, returned in _LINE.findall(_PREFIX.sub("", docstring)):
        parts = [part for part in _split(arguments) if part and not part.startswith("*")]
        if parts and parts[0].startswith("self"):
            parts = parts[1:]
        elif arguments.startswith("*"):
            continue  # the head of several overloads
        named = []
        for part in parts:
            name, _, kind = part.partition(":")
            kind, has_default, _ = kind.partition("=")
            named.append([name.strip(), kind.strip(), bool(has_default)])
        found.append({"arguments": named, "returns": returned.strip()})
    return found


def _split(arguments: str) -> list[str]:
    """Split at commas outside of brackets."""
    parts, depth, start = [], 0, 0
    for place, character in enumerate(arguments):
        depth += (character in "[(<") - (character in "])>")
        if character == "," and not depth:
            parts.append(arguments[start:place].strip())
            start = place + 1
    return [*parts, arguments[start:].strip()]


@cache
def signatures(version: str) -> dict[str, dict[str, list[Overload]]]:
    """Return the overloads by class and method; a full TensorRT's builder is taken from RTX."""
    read = json.loads((FOLDER / f"signatures-{version}.json").read_text(encoding="utf-8"))
    if version.startswith("rtx"):
        return read
    return {**signatures("rtx-1.7"), **read}


def check_call(
    trt: Any, owner: str, name: str, overloads: list[Overload], args: Any, kwargs: Any
) -> None:
    """Raise TypeError, as pybind11 does, if no overload takes these arguments."""
    if not any(_takes(trt, overload["arguments"], args, kwargs) for overload in overloads):
        told = " or ".join(
            f"({', '.join(f'{key}: {kind}' for key, kind, _ in overload['arguments'])})"
            for overload in overloads
        )
        raise TypeError(
            f"{owner}.{name}(): incompatible function arguments: expected {told}, invoked with "
            f"{args!r} {kwargs!r}"
        )


def check_result(trt: Any, owner: str, name: str, overloads: list[Overload], result: Any) -> None:
    """Fail a test whose fake returns what the real method never does."""
    kinds = {overload["returns"] for overload in overloads}
    assert any(_is(trt, result, kind) or result is None for kind in kinds), (
        f"the fake's {owner}.{name} returned {result!r}, the real one {kinds}"
    )


def _takes(trt: Any, arguments: list[list[Any]], args: Any, kwargs: Any) -> bool:
    given = dict(zip((argument[0] for argument in arguments), args, strict=False))
    if len(args) > len(arguments) or set(given) & set(kwargs):
        return False
    given.update(kwargs)
    if set(given) - {argument[0] for argument in arguments}:
        return False
    return all(
        _is(trt, given[name], kind) if name in given else has_default
        for name, kind, has_default in arguments
    )


def _is(trt: Any, value: Any, kind: str) -> bool:
    kind = kind.removeprefix("typing.").removeprefix("collections.abc.")
    if kind == "None":
        return value is None
    if kind in ("int", "SupportsInt"):
        return hasattr(value, "__int__") and not isinstance(value, float | bool)
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "str":
        return isinstance(value, str)
    if kind in ("tuple", "list"):
        return isinstance(value, tuple if kind == "tuple" else list)
    if kind == "Dims":
        return isinstance(value, tuple | list)
    if "Buffer" in kind or kind in ("buffer", "bytes"):
        return isinstance(value, bytes | bytearray | memoryview)
    known = getattr(trt, kind, None)
    return isinstance(value, known) if isinstance(known, type) else True


def main(module_name: str) -> None:
    """Print the signatures of an installed library."""
    module = importlib.import_module(module_name)
    told: dict[str, dict[str, list[Overload]]] = {}
    for name in CLASSES:
        kind = getattr(module, name, None)
        methods = {
            method: overloads_of(getattr(kind, method).__doc__ or "")
            for method in dir(kind)
            if kind is not None and not method.startswith("_") and callable(getattr(kind, method))
        }
        if methods := {method: found for method, found in methods.items() if found}:
            told[name] = methods
    json.dump(told, sys.stdout, indent=None, separators=(",", ":"), sort_keys=True)
    print()


if __name__ == "__main__":
    main(sys.argv[1])
