"""Layers are paired one by one, and what does not fit is named on both sides."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from export.reversal.matching import Classes, count_classes, match
from export.reversal.operations import Kind, Layer, Weight
from runtime.errors import ArtifactError

RNG = np.random.default_rng(0)


def _layer(kind: Kind, name: str, **arrays: NDArray[np.float32]) -> Layer:
    weights = {role: Weight(f"{name}.{role}", array) for role, array in arrays.items()}
    return Layer(kind, weights)


def _random(*shape: int) -> NDArray[np.float32]:
    return RNG.uniform(0.5, 1.5, shape).astype(np.float32)


def _norm(size: int) -> dict[str, NDArray[np.float32]]:
    return {role: _random(size) for role in ("mean", "variance", "scale", "shift")}


def test_a_batch_norm_that_was_merged_lets_pass() -> None:
    kernel, bias = _random(4, 3, 3, 3), _random(1, 4, 1, 1)
    own = [_layer("conv", "own", kernel=_random(4, 3, 3, 3), **_norm(4))]
    arrays = match(own, [_layer("conv", "given", kernel=kernel, bias=bias)], None, "file")
    assert np.array_equal(arrays["own.kernel"], kernel)
    factor = arrays["own.scale"] / np.sqrt(arrays["own.variance"] + 1e-5)
    assert np.allclose(factor, 1) and np.array_equal(arrays["own.shift"], bias.ravel())


def test_one_that_was_not_keeps_its_statistics_or_is_merged() -> None:
    norm, kernel = _norm(4), _random(4, 3, 3, 3)
    given = [_layer("conv", "given", kernel=kernel, **norm)]
    own = [_layer("conv", "own", kernel=_random(4, 3, 3, 3), **_norm(4))]
    arrays = match(own, given, None, "file")
    assert all(np.array_equal(arrays[f"own.{role}"], array) for role, array in norm.items())
    own = [_layer("conv", "own", kernel=_random(4, 3, 3, 3), bias=_random(4))]
    arrays = match(own, given, None, "file")
    factor = norm["scale"] / np.sqrt(norm["variance"] + 1e-5)
    assert np.allclose(arrays["own.kernel"], kernel * factor.reshape(-1, 1, 1, 1))
    assert np.allclose(arrays["own.bias"], norm["shift"] - norm["mean"] * factor)


def test_classes_are_picked_from_the_last_layer_alone() -> None:
    kernels = [_random(3, 5), _random(5, 5)]
    biases = [_random(5), _random(5)]
    own = [
        _layer("product", "first", kernel=_random(3, 5), bias=_random(5)),
        _layer("product", "last", kernel=_random(5, 4), bias=_random(4)),
    ]
    given = [
        _layer("product", "given", kernel=kernel, bias=bias)
        for kernel, bias in zip(kernels, biases, strict=True)
    ]
    classes = Classes(np.array([0, 4, -1, 2]), 5)
    arrays = match(own, given, classes, "file")
    assert np.array_equal(arrays["first.kernel"], kernels[0])
    assert np.array_equal(arrays["last.kernel"][:, [0, 1, 3]], kernels[1][:, [0, 4, 2]])
    assert np.array_equal(arrays["last.kernel"][:, 2], own[1].weights["kernel"].array[:, 2])
    assert arrays["last.bias"][2] == biases[1][[0, 4, 2]].min()
    assert count_classes(classes) == {"kept": 2, "fresh": 1, "left_out": 2}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([("conv", (8, 3, 3, 3))], r"0 of 2 layers match, then the config has conv own0\.kernel "
         r"\[4, 3, 3, 3\], the file conv given0\.kernel \[8, 3, 3, 3\]"),
        ([("conv", (4, 3, 3, 3)), ("transposed", (4, 4, 1, 1))], "1 of 2 .*expected conv"),
        ([("conv", (4, 3, 3, 3))], r"expected 2 layers with weights, got 1; the first 1 match, "
         r"then the config alone has conv own1\.kernel"),
        ([("conv", (4, 3, 3, 3)), ("conv", (4, 4, 1, 1)), ("conv", (1, 4, 1, 1))],
         r"got 3; the first 2 match, then the file alone has conv given2\.kernel"),
    ],
    ids=["shape", "kind", "fewer", "more"],
)  # fmt: skip
def test_what_does_not_fit_is_named(given: list[tuple[Kind, tuple[int, ...]]], told: str) -> None:
    shapes = [(4, 3, 3, 3), (4, 4, 1, 1)]
    own = [_layer("conv", f"own{n}", kernel=_random(*shape)) for n, shape in enumerate(shapes)]
    row = [_layer(kind, f"given{n}", kernel=_random(*shape))
           for n, (kind, shape) in enumerate(given)]  # fmt: skip
    with pytest.raises(ArtifactError, match=told):
        match(own, row, None, "file")


def test_a_bias_that_would_be_lost_is_refused() -> None:
    own = [_layer("conv", "own", kernel=_random(4, 3, 1, 1))]
    given = [_layer("conv", "given", kernel=_random(4, 3, 1, 1), bias=_random(4))]
    with pytest.raises(ArtifactError, match="a bias that the config's has not"):
        match(own, given, None, "file")


def test_what_is_added_alone_is_told_by_its_shape() -> None:
    positions, mask = _random(1, 40, 8), _random(40, 40)
    own = [_layer("sum", "own", shift=_random(1, 40, 8))]
    given = [_layer("sum", "mask", shift=mask), _layer("sum", "given", shift=positions[0])]
    assert np.array_equal(match(own, given, None, "file")["own.shift"], positions)
    with pytest.raises(ArtifactError, match="that are added or scaled"):
        match(own, given[:1], None, "file")
