"""A tiny detector that takes bright pixels for text, and pages of bright bars."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from runtime.detection.boxes import BoxOptions
from runtime.detection.preprocess import SizePolicy
from runtime.detection.spec import IMAGENET_MEAN, IMAGENET_STD, DetectorSpec

STEEPNESS = 40.0
OPEN: tuple[int | str, ...] = ("N", 3, "H", "W")


def toy_spec(**changes: object) -> DetectorSpec:
    """Spec of the toy detector; `changes` as the fields of `DetectorSpec`."""
    boxes = BoxOptions(box_thresh=0.6, unclip_ratio=1.5)
    sizes = SizePolicy(limit_side_len=32)
    return DetectorSpec(**{"boxes": boxes, "sizes": sizes, **changes})  # type: ignore[arg-type]


def write_toy_detector(
    path: Path,
    *,
    spec: DetectorSpec | None = None,
    metadata: Mapping[str, str] | None = None,
    input_shape: Sequence[int | str] = OPEN,
    output_rank: int = 4,
    sigmoid: bool = True,
    poison: float | None = None,
    shrinks: bool = False,
    dtype: int = TensorProto.FLOAT,
) -> Path:
    """Say how much brighter than half a pixel is: a 1 x 1 convolution and a sigmoid.

    Args:
        spec: written into the metadata, together with `metadata`.
        output_rank: 3 leaves out the dimension of size 1.
        sigmoid: whether probabilities come out, or logits.
        poison: a mean brightness of the picture, from 0 to 1, above which all is NaN.
        shrinks: whether the map has half the size.
        dtype: of input and output, float or half.
    """
    kind = np.float16 if dtype == TensorProto.FLOAT16 else np.float32
    weights = np.array(IMAGENET_STD).reshape(1, 3, 1, 1) * STEEPNESS / 3
    bias = np.array([(np.mean(IMAGENET_MEAN) - 0.5) * STEEPNESS])
    constants: dict[str, NDArray[np.generic]] = {
        "weights": weights.astype(kind),
        "bias": bias.astype(kind),
        "one": np.array([1], dtype=np.int64),
    }
    steps: list[tuple[str, list[str], dict[str, object]]] = [("Conv", ["weights", "bias"], {})]
    if shrinks:
        steps.append(("AveragePool", [], {"kernel_shape": [2, 2], "strides": [2, 2]}))
    steps.append(("Sigmoid", [], {}) if sigmoid else ("Identity", [], {}))
    if poison is not None:
        constants["limit"] = np.array(poison, dtype=kind)
        steps.append(("Poison", ["limit"], {}))
    if output_rank == 3:
        steps.append(("Squeeze", ["one"], {}))
    tensors = ["x", *(f"t{index}" for index in range(1, len(steps))), "probabilities"]
    nodes = []
    for index, (name, more, attributes) in enumerate(steps):
        source, target = tensors[index], tensors[index + 1]
        if name == "Poison":
            constants["nan"] = np.array(np.nan, dtype=kind)
            nodes += [
                helper.make_node("ReduceMean", [source], ["mean"], axes=[1, 2, 3], keepdims=1),
                helper.make_node("Greater", ["mean", "limit"], ["is_bright"]),
                helper.make_node("Where", ["is_bright", "nan", source], [target]),
            ]
        else:
            nodes.append(helper.make_node(name, [source, *more], [target], **attributes))
    output = ["N", 1, "h", "w"] if output_rank == 4 else ["N", "h", "w"]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("x", dtype, list(input_shape))],
        [helper.make_tensor_value_info("probabilities", dtype, output)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    entries = {**(spec.to_metadata() if spec else {}), **(metadata or {})}
    helper.set_model_props(model, entries)
    onnx.save(model, path)
    return path


ToyDetector = Callable[..., Path]
Page = NDArray[np.uint8]


@pytest.fixture
def toy_detector(tmp_path: Path) -> ToyDetector:
    """`write_toy_detector` into a file of this test; takes its keyword arguments."""
    return lambda **options: write_toy_detector(tmp_path / "detector.onnx", **options)


@pytest.fixture
def detector_path(toy_detector: ToyDetector) -> Path:
    """A toy detector that carries its spec."""
    return toy_detector(spec=toy_spec())


def page_of(height: int, width: int, bars: Sequence[tuple[int, int, int, int]]) -> Page:
    """Return a black page with white bars: left, top, right, bottom of each."""
    page = np.zeros((height, width, 3), dtype=np.uint8)
    for left, top, right, bottom in bars:
        page[top:bottom, left:right] = 255
    return page


@pytest.fixture
def pages() -> list[Page]:
    """Twenty pages of many sizes with bars of many sizes, some of them without any."""
    rng = np.random.default_rng(11)
    found = []
    for height, width in zip(rng.integers(20, 400, 20), rng.integers(20, 500, 20), strict=True):
        bars = []
        for top in range(4, int(height) - 14, 40):
            left = int(rng.integers(0, max(1, width // 2)))
            bars.append((left, top, int(rng.integers(left + 1, width + 1)), top + 12))
        found.append(page_of(int(height), int(width), bars if rng.random() > 0.2 else []))
    return found
