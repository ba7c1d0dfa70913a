"""ONNX files that no command may fall over: damaged, of another task, or made to do harm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Edit = Callable[[onnx.ModelProto], None]


def hostile_files(good: bytes) -> Iterator[tuple[str, bytes]]:
    """Names and contents, made from a good model's bytes."""
    yield "empty", b""
    yield "text", b"hello, this is no model\n" * 20
    yield "zeros", bytes(5000)
    yield "truncated", good[: len(good) // 2]
    yield "cut_end", good[:-7]
    yield "only_header", helper.make_model(helper.make_graph([], "g", [], [])).SerializeToString()
    yield "segmentation", _conv_model(["N", 3, "H", "W"], ["N", 2, "H", "W"])
    for name, edit in _EDITS.items():
        model = onnx.load_model_from_string(good)
        edit(model)
        yield name, model.SerializeToString()


def first_weight(model: onnx.ModelProto) -> TensorProto:
    """Weight of the first node."""
    name = model.graph.node[0].input[1]
    return next(initializer for initializer in model.graph.initializer if initializer.name == name)


def write_apart(model: onnx.ModelProto, folder: Path, **told: str | int) -> Path:
    """Write a model whose first weight lies in `weights.bin`, or where `told` says."""
    weight = first_weight(model)
    (folder / "weights.bin").write_bytes(weight.raw_data)
    _lie_elsewhere(weight, **{"location": "weights.bin", **told})
    path = folder / "apart.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def _lie_elsewhere(weight: TensorProto, **told: str | int) -> None:
    weight.data_location = TensorProto.EXTERNAL
    weight.ClearField("raw_data")
    for key, value in told.items():
        entry = weight.external_data.add()
        entry.key, entry.value = key, str(value)


def _conv_model(taken: list[str | int], given: list[str | int]) -> bytes:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, taken)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, given)
    weight = numpy_helper.from_array(np.ones((2, 3, 1, 1), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])], "g", [x], [y], [weight]
    )
    opsets = [helper.make_opsetid("", 14)]
    content: bytes = helper.make_model(
        graph, opset_imports=opsets, ir_version=8
    ).SerializeToString()
    return content


def _weight(change: Callable[[TensorProto], None]) -> Edit:
    return lambda model: change(first_weight(model))


def _values(values: np.ndarray) -> Edit:
    return _weight(lambda weight: weight.CopyFrom(numpy_helper.from_array(values, weight.name)))


def _dims(*dims: int) -> Edit:
    def edit(weight: TensorProto) -> None:
        weight.dims[:] = dims

    return _weight(edit)


def _cut(weight: TensorProto) -> None:
    weight.raw_data = weight.raw_data[:-8]


def _type(weight: TensorProto) -> None:
    weight.data_type = 77


def _elsewhere(**told: str | int) -> Edit:
    return _weight(lambda weight: _lie_elsewhere(weight, **told))


def _opset(version: int | None) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        del model.opset_import[:]
        if version is not None:
            model.opset_import.append(helper.make_opsetid("", version))

    return edit


def _fixed(axis: int, size: int) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = size

    return edit


def _huge_constant(model: onnx.ModelProto) -> None:
    size = numpy_helper.from_array(np.array([10**6, 10**6], np.int64), "size")
    model.graph.initializer.append(size)
    model.graph.node.insert(0, helper.make_node("ConstantOfShape", ["size"], ["big"]))
    model.graph.output.append(helper.make_tensor_value_info("big", TensorProto.FLOAT, None))


def _time_major(model: onnx.ModelProto) -> None:
    name = model.graph.output[0].name
    model.graph.node.append(helper.make_node("Transpose", [name], ["tnk"], perm=[1, 0, 2]))
    model.graph.output[0].name = "tnk"


def _cycle(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = model.graph.node[4].output[0]


def _dangling(model: onnx.ModelProto) -> None:
    model.graph.node[5].input[0] = "nothing"


def _unknown_operator(model: onnx.ModelProto) -> None:
    model.graph.node[3].op_type = "NoSuchOperator"


def _no_output(model: onnx.ModelProto) -> None:
    del model.graph.output[:]


_EDITS: dict[str, Edit] = {
    "nan_weight": _values(np.full((16, 3, 3, 3), np.nan, np.float32)),
    "zero_size_weight": _values(np.zeros((0, 3, 3, 3), np.float32)),
    "huge_weight": _dims(2**40, 3, 3, 3),
    "negative_weight": _dims(-5, 3, 3, 3),
    "short_weight": _weight(_cut),
    "weight_of_unknown_type": _weight(_type),
    "weights_missing": _elsewhere(location="nowhere.bin"),
    "weights_of_the_system": _elsewhere(location="/etc/passwd"),
    "weights_above": _elsewhere(location="../../etc/passwd"),
    "weights_without_place": _elsewhere(),
    "opset_99": _opset(99),
    "opset_negative": _opset(-1),
    "opset_none": _opset(None),
    "batch_of_1e9": _fixed(0, 10**9),
    "width_of_1e9": _fixed(3, 10**9),
    "height_of_1e6": _fixed(2, 10**6),
    "huge_constant": _huge_constant,
    "time_major": _time_major,
    "cycle": _cycle,
    "dangling": _dangling,
    "unknown_operator": _unknown_operator,
    "no_output": _no_output,
}
