"""Shapes of a model's input as trtexec's words give them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from runtime.engines.tensors import Sizes
from runtime.errors import ConfigError
from runtime.spec import ModelSpec

FLAGS = {"min": "--minShapes", "opt": "--optShapes", "max": "--maxShapes"}


def shape_from_text(text: str, flag: str, spec: ModelSpec, example: Sizes) -> Sizes:
    """Read `x:1x3x32x32`, [N, C, H, W] of the model's input; the name may be left out.

    Args:
        text: what was asked for.
        flag: by which, for messages.
        spec: of the model.
        example: a shape that could be meant.

    Raises:
        ConfigError: if it is written otherwise, names another tensor, or gives C, H or W another
            size than the model has.
    """
    match = re.fullmatch(r"(?:(?P<name>[^:,]+):)?(?P<sizes>[0-9]{1,9}(?:x[0-9]{1,9})*)", text)
    if match is None:
        raise ConfigError(
            f"{flag}: expected {spec.input_name}:NxCxHxW, e.g. {spec.input_name}:"
            f"{written(example)}, got {text!r}"
        )
    name = match["name"]
    if name is not None and name != spec.input_name:
        raise ConfigError(
            f"{flag}: unknown tensor: expected {spec.input_name!r}, the model's input, got {name!r}"
        )
    sizes = tuple(int(size) for size in match["sizes"].split("x"))
    if len(sizes) != 4:
        raise ConfigError(f"{flag}: expected four sizes NxCxHxW, got {match['sizes']}")
    for letter, expected, got in zip("CHW", spec.input_sizes, sizes[1:], strict=True):
        if expected not in (None, got):
            raise ConfigError(f"{flag}: expected {letter} = {expected} as in the model, got {got}")
    if sizes[0] < 1:
        raise ConfigError(f"{flag}: expected N of at least 1, got {sizes[0]}")
    return sizes


def check_order(shapes: Mapping[str, Sizes], fixed_batch: int | None) -> None:
    """Refuse shapes that contradict each other or the model's N.

    Args:
        shapes: `min`, `opt` and `max`.
        fixed_batch: N of a model that leaves no choice.

    Raises:
        ConfigError: naming the flag.
    """
    for name, shape in shapes.items():
        if fixed_batch is not None and shape[0] != fixed_batch:
            raise ConfigError(
                f"{FLAGS[name]}: the model has a fixed batch: expected N = {fixed_batch}, got "
                f"{shape[0]}; leave the flag out, or export the model with an open batch"
            )
    for low, high in (("min", "opt"), ("opt", "max")):
        pairs = zip(shapes[low], shapes[high], strict=True)
        if any(lower > higher for lower, higher in pairs):
            raise ConfigError(
                f"{FLAGS[low]} must not exceed {FLAGS[high]}: expected min <= opt <= max in every "
                f"dimension, got {written(shapes[low])} and {written(shapes[high])}"
            )


def written(shape: Sizes) -> str:
    """Write a shape as trtexec does, e.g. 1x3x32x32."""
    return "x".join(map(str, shape))
