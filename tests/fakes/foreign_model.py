"""A recogniser as others export it: any order of output, precision of ends, place of the blank."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

STRIDE_PX = 4
LISTED = tuple("abcdefghij日本語é")
CHARACTER = {"character": "\n".join(LISTED)}
_FLOAT = TensorProto.FLOAT


def write_foreign_model(
    path: Path,
    *,
    num_classes: int = len(LISTED) + 1,
    layout: str = "NTK",
    is_blank_last: bool = False,
    activation: str = "softmax",
    input_shape: tuple[int | str, ...] = ("N", 3, 32, "W"),
    input_type: int = _FLOAT,
    output_type: int = _FLOAT,
    is_doubled: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write a network that reads coloured blocks as characters and whatever is grey as the blank.

    Args:
        num_classes: K.
        layout: order of the output's dimensions; no name of a dimension tells it.
        is_blank_last: whether the blank is class K-1.
        activation: `softmax`, `none`, `twice` (a softmax of a softmax) or `sigmoid`.
        input_shape, input_type, output_type: as declared.
        is_doubled: whether the scores go out a second time under another name.
        metadata: of the file; `CHARACTER` when None.
    """
    height = input_shape[2] if isinstance(input_shape[2], int) else 32
    rng = np.random.default_rng(7)
    weights = rng.normal(0, 25, (num_classes, 3, 1, 1)).astype(np.float32)
    weights -= weights.mean(axis=1, keepdims=True)  # what is grey has no say
    bias = np.zeros(num_classes, np.float32)
    weights[0], bias[0] = 0, 8
    if is_blank_last:
        weights, bias = np.roll(weights, -1, axis=0), np.roll(bias, -1)
    constants: dict[str, NDArray[np.generic]] = {"weights": weights, "bias": bias}
    constants["axes"] = np.array([2], np.int64)
    kernel = [height, STRIDE_PX]
    steps: list[tuple[str, list[str], dict[str, object]]] = [
        ("Cast", [], {"to": _FLOAT}),
        ("AveragePool", [], {"kernel_shape": kernel, "strides": kernel}),
        ("Conv", ["weights", "bias"], {}),
        ("Squeeze", ["axes"], {}),
        ("Transpose", [], {"perm": [0, 2, 1]}),
        *{
            "softmax": [("Softmax", [], {"axis": -1})],
            "twice": [("Softmax", [], {"axis": -1}), ("Softmax", [], {"axis": -1})],
            "sigmoid": [("Sigmoid", [], {})],
            "none": [],
        }[activation],
        ("Transpose", [], {"perm": ["NTK".index(letter) for letter in layout]}),
        ("Cast", [], {"to": output_type}),
    ]
    tensors = ["image", *(f"t{number}" for number in range(1, len(steps))), "scores"]
    nodes = [
        helper.make_node(kind, [tensors[number], *more], [tensors[number + 1]], **attributes)
        for number, (kind, more, attributes) in enumerate(steps)
    ]
    outputs = [helper.make_tensor_value_info("scores", output_type, [None, None, None])]
    if is_doubled:
        nodes.append(helper.make_node("Identity", ["scores"], ["again"]))
        outputs.append(helper.make_tensor_value_info("again", output_type, [None, None, None]))
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info("image", input_type, input_shape)],
        outputs,
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, dict(CHARACTER if metadata is None else metadata))
    onnx.save(model, path)
    return path


def coloured_lines(count: int = 6) -> list[NDArray[np.uint8]]:
    """Lines of coloured blocks, BGR uint8 [32, w, 3]."""
    rng = np.random.default_rng(3)
    lines = []
    for width in rng.integers(3, 30, count):
        blocks = rng.integers(0, 256, (1, int(width), 3), dtype=np.uint8)
        lines.append(np.repeat(np.repeat(blocks, 32, axis=0), 2 * STRIDE_PX, axis=1))
    return lines
