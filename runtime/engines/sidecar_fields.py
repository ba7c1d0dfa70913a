"""What a plan's sidecar may hold, field by field, and how its parts are read from JSON."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runtime.engines.tensors import (
    Profile,
    ShapeRange,
    Sizes,
    TensorInfo,
    is_shape,
    range_from_json,
)
from runtime.errors import ArtifactError
from runtime.fields import (
    Field,
    check_fields,
    choice,
    mapping,
    matching,
    optional,
    sha256,
    shown,
    text,
    whole,
)

FORMAT_VERSION = 2
"""Format 1 knew recognisers alone, and one input of theirs in its profiles."""
HARDWARE_LEVELS = ("none", "ampere_plus", "same_compute_capability")
REMEDY = "build the engine again"

_NEXT_MAJOR = {8: 10, 10: 11}
"""Majors whose version-compatible plans run in one later major, as the support matrix says."""
_MOST_PARTS = 1024
_CAPABILITY = matching(r"[0-9]{1,3}\.[0-9]{1,3}", "a compute capability such as '8.6'")


def _is_profile(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and 0 < len(value) <= _MOST_PARTS
        and all(isinstance(name, str) for name in value)
        and all(isinstance(entry, ShapeRange) for entry in value.values())
    )


def _some(accepts: Callable[[Any], bool]) -> Field:
    """Return a field of between one and `_MOST_PARTS` objects."""
    return Field(
        f"a list of 1 to {_MOST_PARTS} objects",
        lambda value: (
            isinstance(value, tuple)
            and 0 < len(value) <= _MOST_PARTS
            and all(accepts(part) for part in value)
        ),
    )


_BINDING_FIELDS = {
    "name": text(shortest=1),
    "dtype": text(shortest=1),
    "shape": Field("up to eight sizes, -1 where one is open", lambda value: is_shape(value, -1)),
    "mode": choice("input", "output"),
}


@dataclass(frozen=True)
class Binding:
    """One input or output of the engine.

    Args:
        dtype: as NumPy names it, e.g. `uint8`.
        shape: -1 where it is open.
        mode: `input` or `output`.
    """

    name: str
    dtype: str
    shape: Sizes
    mode: str

    def __post_init__(self) -> None:
        check_fields(vars(self), _BINDING_FIELDS, "impossible binding", REMEDY)

    @property
    def info(self) -> TensorInfo:
        """It as an engine tells it."""
        return TensorInfo(
            self.name, self.dtype, tuple(None if size < 0 else size for size in self.shape)
        )


SIDECAR_FIELDS = {
    "task": text(shortest=1),
    "spec": mapping(),
    "plan_sha256": sha256(),
    "onnx_sha256": sha256(),
    "graph_sha256": sha256(),
    "library": choice("tensorrt", "tensorrt_rtx"),
    "library_version": matching(
        r"[0-9]{1,6}(\.[0-9A-Za-z]{1,20}){0,8}", "a version such as '10.16.1'"
    ),
    "profiles": _some(_is_profile),
    "bindings": _some(lambda part: isinstance(part, Binding)),
    "rebuild_command": text(longest=2 * 2**20),
    "driver_version": optional(text()),
    "gpu_name": optional(text()),
    "compute_capability": optional(_CAPABILITY),
    "target_compute_capabilities": Field(
        "a list of compute capabilities such as '8.6'",
        lambda value: isinstance(value, tuple) and all(map(_CAPABILITY.accepts, value)),
    ),
    "platform": optional(text(shortest=1)),
    "version_compatible": choice(False, True),
    "hardware_compatibility": choice(*HARDWARE_LEVELS),
    "precision": mapping(),
    "parity": mapping(),
    "options": mapping(),
    "format_version": whole(1, FORMAT_VERSION),
}
_LIST = Field("a list", lambda value: isinstance(value, list))
_TOLD = ("plan_sha256", "onnx_sha256", "graph_sha256", "library", "library_version")
ENTRY_FIELDS = {
    **{name: SIDECAR_FIELDS[name] for name in (*_TOLD, "rebuild_command", "format_version")},
    **{"spec": mapping(), "profiles": _LIST, "bindings": _LIST},
}
"""What JSON must hold before it can be made a description; the rest has defaults."""


def this_platform() -> str:
    """Return system and processor, e.g. `linux-x86_64`: a plan runs on no other."""
    return f"{platform.system()}-{platform.machine()}".lower().replace("amd64", "x86_64")


def numbers_of(version: str) -> tuple[int, ...]:
    """`10.16.1.11` -> (10, 16, 1, 11); what is not a number ends it."""
    numbers = []
    for part in version.split("."):
        if not part.isdecimal():
            break
        numbers.append(int(part))
    return tuple(numbers)


def runs_plans_of(here: str, built: str) -> bool:
    """Tell whether a version of TensorRT runs version-compatible plans of another one."""
    ours, theirs = numbers_of(here), numbers_of(built)
    return (ours[0] == theirs[0] and ours >= theirs) or ours[0] == _NEXT_MAJOR.get(theirs[0])


def bindings_from_json(entries: list[Any]) -> tuple[Binding, ...]:
    """Read inputs and outputs.

    Raises:
        ArtifactError: naming what is damaged.
    """
    return tuple(Binding(**_values(entry, _BINDING_FIELDS)) for entry in entries)


def profiles_from_json(
    entries: list[Any], version: int, bindings: tuple[Binding, ...]
) -> tuple[Profile, ...]:
    """Read profiles of any format.

    Args:
        entries: what JSON holds.
        version: of the format.
        bindings: of the engine.

    Raises:
        ArtifactError: naming what is damaged.
    """
    if version == 1:
        return tuple(_line_profile(entry, bindings) for entry in entries)
    return tuple(map(_profile, entries))


def _profile(entries: Any) -> Profile:
    if not isinstance(entries, dict):
        raise ArtifactError(f"damaged: expected shapes by input, got {shown(entries)}")
    return {name: _range(shapes) for name, shapes in entries.items()}


def _line_profile(entries: Any, bindings: tuple[Binding, ...]) -> Profile:
    """Translate a profile of format 1, which told the model's input [N, C, H, W].

    The engine takes images [N, H, W, C] and one number for each of them.
    """
    shapes = _range(entries)
    if len(shapes.min) != 4:
        raise ArtifactError(f"damaged: profiles: expected four sizes, got {shown(shapes.min)}")
    images = ShapeRange(*((n, h, w, c) for n, c, h, w in (shapes.min, shapes.opt, shapes.max)))
    numbers = ShapeRange(*((sizes[0],) for sizes in (shapes.min, shapes.opt, shapes.max)))
    inputs = [binding for binding in bindings if binding.mode == "input"]
    return {binding.name: images if len(binding.shape) == 4 else numbers for binding in inputs}


def _range(entries: Any) -> ShapeRange:
    if not isinstance(entries, dict):
        raise ArtifactError(f"damaged: expected an object with min, opt, max, got {shown(entries)}")
    return range_from_json(entries)


def _values(entries: Any, table: Mapping[str, Field]) -> dict[str, Any]:
    """Return the fields of a part: lists become tuples, what is missing None."""
    if not isinstance(entries, dict):
        raise ArtifactError(
            f"damaged: expected an object with {', '.join(table)}, got {shown(entries)}"
        )
    values = {name: entries.get(name) for name in table}
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
