"""Pairs the layers of a model file with those of a config's network, one by one in order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.reversal.operations import NORM, Layer, Weight
from runtime.errors import ArtifactError

Rows = NDArray[np.int64]
Arrays = dict[str, NDArray[Any]]
_LOOSE = ("sum", "scale")
"""What is added or scaled alone: weights, or constants that the file has for other reasons."""
_REMEDY = (
    "check that the config is this model's: Backbone (name, scale, model_size), Neck, Head, their "
    "sizes, and Global.character_dict_path"
)


@dataclass(frozen=True)
class Classes:
    """What the classes of a network are in a model file.

    Args:
        rows: the file's class for each of the network's, -1 where it has none, [K].
        num_in_file: classes of the file.
    """

    rows: Rows
    num_in_file: int


def match(
    own: Sequence[Layer], given: Sequence[Layer], classes: Classes | None, where: str
) -> Arrays:
    """Return the arrays of a network's parameters, taken from a file's layers.

    Args:
        own: layers of the network as it is deployed, named by its parameters.
        given: layers of the file.
        classes: of the last layer, where it has one for each class; a class that the file has not
            keeps the network's own kernel and is as improbable as the file's least.
        where: the file, for messages.

    Raises:
        ArtifactError: naming the first layers that differ, and how many did not.
    """
    own_row, given_row = _main(own, own), _main(given, own)
    arrays: Arrays = {}
    for number, (layer, found) in enumerate(zip(own_row, given_row, strict=False)):
        is_last = number == len(own_row) - 1
        try:
            arrays |= dict(_taken(layer, found, classes if is_last else None))
        except _Unequal as error:
            raise ArtifactError(
                f"{where} is not the network of this config: {number} of {len(own_row)} layers "
                f"match, then the config has {layer}, the file {found} ({error}); {_REMEDY}"
            ) from error
    if len(own_row) != len(given_row):
        shorter = min(len(own_row), len(given_row))
        longer, whose = (given_row, "file") if len(given_row) > shorter else (own_row, "config")
        raise ArtifactError(
            f"{where} is not the network of this config: expected {len(own_row)} layers with "
            f"weights, got {len(given_row)}; the first {shorter} match, then the {whose} alone has "
            f"{longer[shorter]}; {_REMEDY}"
        )
    return arrays | dict(_loose(own, given, where))


class _Unequal(Exception):
    """Two layers cannot be the same."""


def _main(layers: Sequence[Layer], own: Sequence[Layer]) -> list[Layer]:
    """Return the layers that stand in a row; single numbers only where the network has such."""
    left_out = {*_LOOSE} if any(layer.kind == "affine" for layer in own) else {*_LOOSE, "affine"}
    return [layer for layer in layers if layer.kind not in left_out]


def _taken(own: Layer, given: Layer, classes: Classes | None) -> Iterator[tuple[str, Any]]:
    """Yield the names of a layer's parameters, and what another layer has for them."""
    if own.kind != given.kind:
        raise _Unequal(f"expected {own.kind}")
    if own.kind not in ("conv", "transposed", "product"):
        for role, weight in own.weights.items():
            if role not in given.weights:
                raise _Unequal(f"no {role}")
            yield weight.name, _fitted(weight, given.weights[role].array)
        return
    kernel, bias, norm = _parts(own, given)
    if classes is not None:
        axis = -1 if own.kind == "product" else 0
        kernel, bias = _of_classes(own, kernel, bias, axis, classes)
    yield own.weights["kernel"].name, _fitted(own.weights["kernel"], kernel)
    if "bias" in own.weights:
        yield own.weights["bias"].name, _fitted(own.weights["bias"], bias)
    for role, array in norm.items():
        yield own.weights[role].name, _fitted(own.weights[role], array)


def _parts(own: Layer, given: Layer) -> tuple[NDArray[Any], NDArray[Any], Arrays]:
    """Return kernel, bias and BatchNorm of a file's layer as the network's wants them."""
    kernel = given.weights["kernel"].array
    axis = {"conv": 0, "transposed": 1, "product": -1}[own.kind]
    zeros = np.zeros(kernel.shape[axis], np.float32)
    bias = given.weights["bias"].array.ravel() if "bias" in given.weights else zeros
    if own.has_norm and given.has_norm:
        if "bias" not in own.weights and bias.any():
            raise _Unequal("a bias that the config's has not")
        return kernel, bias, {role: given.weights[role].array for role in NORM}
    if own.has_norm:  # the file's was merged into its kernel: it has nothing left to do
        ones = np.ones_like(zeros)
        passing = {"mean": zeros, "variance": ones * np.float32(1 - 1e-5)}
        return kernel, zeros, {**passing, "scale": ones, "shift": bias}
    if given.has_norm:
        mean, variance, scale, shift = (np.float64(given.weights[role].array) for role in NORM)
        factor = scale / np.sqrt(variance + 1e-5)
        shape = [1] * kernel.ndim
        shape[axis] = -1
        kernel = (kernel * factor.reshape(shape)).astype(np.float32)
        bias = (shift + (bias - mean) * factor).astype(np.float32)
    if "bias" not in own.weights and bias.any():
        raise _Unequal("a bias that the config's has not")
    return kernel, bias, {}


def _of_classes(
    own: Layer, kernel: NDArray[Any], bias: NDArray[Any], axis: int, classes: Classes
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Pick the classes of the network from a file's last layer."""
    if kernel.shape[axis] != classes.num_in_file:
        raise _Unequal(f"expected {classes.num_in_file} classes, got {kernel.shape[axis]}")
    own_kernel, rows = own.weights["kernel"].array, classes.rows
    if own_kernel.shape[axis] != rows.size:
        raise _Unequal(f"{rows.size} classes, {own_kernel.shape[axis]} in the config")
    picked = np.take(kernel, np.maximum(rows, 0), axis=axis)
    if picked.shape != own_kernel.shape:
        raise _Unequal("another shape")
    is_known = rows >= 0
    shape = [1] * kernel.ndim
    shape[axis] = -1
    least = bias[rows[is_known]].min()
    return (
        np.where(is_known.reshape(shape), picked, own_kernel),
        np.where(is_known, bias[np.maximum(rows, 0)], least).astype(np.float32),
    )


def _fitted(weight: Weight, array: NDArray[Any]) -> NDArray[Any]:
    """Return an array in the shape of a parameter; dimensions of size 1 are all that may differ."""
    shape = weight.array.shape
    if [size for size in array.shape if size != 1] != [size for size in shape if size != 1]:
        raise _Unequal(f"{weight.name} is {list(shape)}, the file's {list(array.shape)}")
    return array.reshape(shape)


def _loose(own: Sequence[Layer], given: Sequence[Layer], where: str) -> Iterator[tuple[str, Any]]:
    """Yield what is added or scaled alone, told by its shape."""
    wanted: dict[tuple[Any, ...], list[Weight]] = {}
    for layer in own:
        if layer.kind in _LOOSE:
            (weight,) = layer.weights.values()
            wanted.setdefault(_key(layer), []).append(weight)
    found: dict[tuple[Any, ...], list[Weight]] = {}
    for layer in given:
        if layer.kind in _LOOSE:
            found.setdefault(_key(layer), []).extend(layer.weights.values())
    for key, weights in wanted.items():
        those = found.get(key, [])
        if len(those) != len(weights):
            raise ArtifactError(
                f"{where} is not the network of this config: expected {len(weights)} of "
                f"{list(weights[0].array.shape)} that are added or scaled, as "
                f"{weights[0].name}, got {len(those)}; {_REMEDY}"
            )
        for weight, taken in zip(weights, those, strict=True):
            yield weight.name, taken.array.reshape(weight.array.shape)


def _key(layer: Layer) -> tuple[Any, ...]:
    (weight,) = layer.weights.values()
    sizes = tuple(size for size in weight.array.shape if size != 1)
    return layer.kind, math.prod(sizes), sizes


def count_classes(classes: Classes) -> Mapping[str, int]:
    """Return how many classes were kept, are fresh, and were left in the file; blank excepted."""
    known = int((classes.rows[1:] >= 0).sum())
    return {
        "kept": known,
        "fresh": int(classes.rows.size) - 1 - known,
        "left_out": classes.num_in_file - 1 - int(np.unique(classes.rows[classes.rows > 0]).size),
    }
