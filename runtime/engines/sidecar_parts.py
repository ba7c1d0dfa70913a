"""Profiles and bindings, of which an engine's description is made, and what they may hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runtime.errors import ArtifactError
from runtime.fields import Field, check_fields, choice, shown, text, whole

Shape = tuple[int, int, int, int]
REMEDY = "build the engine again"
"""What mends an engine's description, for messages."""
_MOST_PARTS = 1024
_LARGEST_SIZE = 2**31 - 1


def _is_shape(value: Any, lowest: int, most: int) -> bool:
    sizes = whole(lowest, _LARGEST_SIZE)
    return isinstance(value, tuple) and len(value) <= most and all(map(sizes.accepts, value))


def parts_of(kind: type) -> Field:
    """Between one and `_MOST_PARTS` objects of one kind."""
    return Field(
        f"a list of 1 to {_MOST_PARTS} objects",
        lambda value: (
            isinstance(value, tuple)
            and 0 < len(value) <= _MOST_PARTS
            and all(isinstance(part, kind) for part in value)
        ),
    )


_SHAPE = Field("four positive sizes", lambda value: _is_shape(value, 1, 4) and len(value) == 4)
_PROFILE_FIELDS = {name: _SHAPE for name in ("min", "opt", "max")}
_BINDING_FIELDS = {
    "name": text(shortest=1),
    "dtype": text(shortest=1),
    "shape": Field(
        "up to eight sizes, -1 where one is open", lambda value: _is_shape(value, -1, 8)
    ),
    "mode": choice("input", "output"),
}


@dataclass(frozen=True)
class Profile:
    """Shapes of one optimisation profile, each [N, C, H, W] of the model's input."""

    min: Shape
    opt: Shape
    max: Shape

    def __post_init__(self) -> None:
        check_fields(vars(self), _PROFILE_FIELDS, "impossible optimisation profile", REMEDY)
        sizes = zip(self.min, self.opt, self.max, strict=True)
        if not all(low <= middle <= high for low, middle, high in sizes):
            raise ArtifactError(
                "impossible optimisation profile: expected [N, C, H, W] with 0 < min <= opt <= "
                f"max, got {list(self.min)}, {list(self.opt)}, {list(self.max)}"
            )

    @classmethod
    def from_entries(cls, entries: Any) -> Profile:
        """Read one back from what JSON says, of any type and content."""
        return cls(**_values_of(entries, _PROFILE_FIELDS))


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
    shape: tuple[int, ...]
    mode: str

    def __post_init__(self) -> None:
        check_fields(vars(self), _BINDING_FIELDS, "impossible binding", REMEDY)

    @classmethod
    def from_entries(cls, entries: Any) -> Binding:
        """Read one back from what JSON says, of any type and content."""
        return cls(**_values_of(entries, _BINDING_FIELDS))


def _values_of(entries: Any, table: Mapping[str, Field]) -> dict[str, Any]:
    """Fields of a profile or binding: lists become tuples, what is missing None."""
    if not isinstance(entries, dict):
        raise ArtifactError(
            f"damaged: expected an object with {', '.join(table)}, got {shown(entries)}"
        )
    values = {name: entries.get(name) for name in table}
    return {name: tuple(one) if isinstance(one, list) else one for name, one in values.items()}
