"""A tiny network whose reading depends on the image, and images to read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from runtime.recognition.spec import RecognizerSpec, WidthPolicy

STRIDE_PX = 4
CHARACTERS = (*"abcdefghij日本語é", " ")


def toy_spec(**changes: object) -> RecognizerSpec:
    """Spec of the toy network; `changes` as the fields of `RecognizerSpec`."""
    return RecognizerSpec(
        **{"characters": CHARACTERS, "width": WidthPolicy(32, 32, 640), **changes}  # type: ignore[arg-type]
    )


def write_toy_model(
    path: Path,
    *,
    spec: RecognizerSpec | None = None,
    metadata: Mapping[str, str] | None = None,
    num_classes: int = len(CHARACTERS) + 1,
    input_shape: tuple[int | str, ...] = ("N", 3, 32, "W"),
    declares_classes: bool = True,
    softmax: bool = True,
    poisoned: bool = False,
) -> Path:
    """Average over H x 4 px, a 1 x 1 convolution to K classes, transpose, softmax.

    Args:
        spec: written into the metadata, together with `metadata`.
        declares_classes: whether K can be told from the file without running it.
        poisoned: whether the weights are NaN.
    """
    height, channels = input_shape[2], 3 if isinstance(input_shape[1], str) else input_shape[1]
    kernel = [32 if isinstance(height, str) else int(height), STRIDE_PX]
    rng = np.random.default_rng(7)
    weights = rng.normal(0, 25, (num_classes, int(channels), 1, 1)).astype(np.float32)
    weights -= weights.mean(axis=0)
    if poisoned:
        weights[:] = np.nan
    constants: dict[str, NDArray[np.generic]] = {
        "weights": weights,
        "axes": np.array([2], dtype=np.int64),
    }
    steps: list[tuple[str, list[str], dict[str, object]]] = [
        ("AveragePool", [], {"kernel_shape": kernel, "strides": kernel}),
        ("Conv", ["weights"], {}),
        ("Squeeze", ["axes"], {}),
        ("Transpose", [], {"perm": [0, 2, 1]}),
    ]
    if softmax:
        steps.append(("Softmax", [], {"axis": -1}))
    if not declares_classes:
        # How many classes it lets through is only known when it runs.
        constants["all"] = np.ones(num_classes, dtype=bool)
        steps.append(("Compress", ["all"], {"axis": 2}))
    tensors = ["x", *(f"t{index}" for index in range(1, len(steps))), "probabilities"]
    nodes = [
        helper.make_node(kind, [tensors[index], *more], [tensors[index + 1]], **attributes)
        for index, (kind, more, attributes) in enumerate(steps)
    ]
    output_shape = ["N", "T", num_classes if declares_classes else "K"]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, input_shape)],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, output_shape)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    entries = {**(spec.to_metadata() if spec else {}), **(metadata or {})}
    helper.set_model_props(model, entries)
    onnx.save(model, path)
    return path


ToyModel = Callable[..., Path]


@pytest.fixture
def toy_model(tmp_path: Path) -> ToyModel:
    """`write_toy_model` into a file of this test; takes its keyword arguments."""
    return lambda **options: write_toy_model(tmp_path / "toy.onnx", **options)


@pytest.fixture
def toy_path(toy_model: ToyModel) -> Path:
    """A toy model that carries its spec."""
    return toy_model(spec=toy_spec())


@pytest.fixture
def spec() -> RecognizerSpec:
    """The spec of `toy_path`."""
    return toy_spec()


@pytest.fixture
def make_spec() -> Callable[..., RecognizerSpec]:
    """`toy_spec`."""
    return toy_spec


@pytest.fixture
def spec_entries(spec: RecognizerSpec) -> dict[str, object]:
    """The JSON entries that a model's metadata holds."""
    entries: dict[str, object] = json.loads(spec.to_metadata()["recognizer_spec"])
    return entries


@pytest.fixture
def line_images() -> list[NDArray[np.uint8]]:
    """Forty lines of many sizes, each of coloured blocks that the toy network tells apart."""
    rng = np.random.default_rng(3)
    images = []
    for width, height in zip(rng.integers(4, 500, 40), rng.integers(8, 70, 40), strict=True):
        blocks = rng.integers(0, 256, (1, max(1, int(width) // 12), 3), dtype=np.uint8)
        image = np.repeat(np.repeat(blocks, height, axis=0), 12, axis=1)
        images.append(np.ascontiguousarray(image))
    return images
