"""Engines of the toy network on the fake TensorRT, without the exporter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from runtime.engines.sidecar import EngineSidecar
from runtime.engines.sidecar_fields import Binding
from runtime.engines.tensors import ShapeRange
from runtime.files import sha256_of
from runtime.recognition.best_path_session import line_profile
from runtime.recognition.spec import SPEC_KEY, RecognizerSpec

REBUILD = "python -m export build --onnx toy.onnx --saveEngine toy.plan"
PROFILES = (
    ShapeRange((1, 3, 32, 32), (4, 3, 32, 96), (8, 3, 32, 160)),
    ShapeRange((1, 3, 32, 160), (2, 3, 32, 320), (4, 3, 32, 640)),
)


def engine_graph(model: onnx.ModelProto, spec: RecognizerSpec) -> onnx.ModelProto:
    """A recogniser from 8-bit lines to classes and confidences.

    Args:
        model: float32 `x` [N, C, H, W] -> `probabilities` [N, T, K].

    Returns:
        uint8 `pixels` [N, H, W, C] and int32 `content_widths` [N] -> int32 `classes` [N, T] and
        float32 `confidences` [N, T].
    """
    constants = {
        "levels": np.array(255, np.float32),
        "mean": np.array(spec.mean, np.float32),
        "std": np.array(spec.std, np.float32),
        "blank": np.array(0, np.float32),
        "first": np.array(0, np.int64),
        "step": np.array(1, np.int64),
        "axis_w": np.array(2, np.int64),
        "row_form": np.array([1, 1, -1, 1], np.int64),
        "line_form": np.array([-1, 1, 1, 1], np.int64),
    }
    steps: list[tuple[str, list[str], str, dict[str, Any]]] = [
        ("Cast", ["pixels"], "levels_8", {"to": TensorProto.FLOAT}),
        ("Div", ["levels_8", "levels"], "scaled", {}),
        ("Sub", ["scaled", "mean"], "centred", {}),
        ("Div", ["centred", "std"], "normal", {}),
        ("Shape", ["pixels"], "shape", {}),
        ("Gather", ["shape", "axis_w"], "width", {}),
        ("Range", ["first", "width", "step"], "range", {}),
        ("Reshape", ["range", "row_form"], "columns", {}),
        ("Cast", ["content_widths"], "ends_1", {"to": TensorProto.INT64}),
        ("Reshape", ["ends_1", "line_form"], "ends", {}),
        ("Less", ["columns", "ends"], "is_content", {}),
        ("Where", ["is_content", "normal", "blank"], "padded", {}),
        ("Transpose", ["padded"], spec.input_name, {"perm": [0, 3, 1, 2]}),
    ]
    after: list[tuple[str, list[str], str, dict[str, Any]]] = [
        ("ArgMax", [spec.output_name], "best", {"axis": -1, "keepdims": 0}),
        ("Cast", ["best"], "classes", {"to": TensorProto.INT32}),
        ("ReduceMax", [spec.output_name], "confidences", {"axes": [-1], "keepdims": 0}),
    ]
    nodes = [
        helper.make_node(kind, inputs, [output], name=f"{kind}_{output}", **attributes)
        for kind, inputs, output, attributes in steps
    ]
    nodes += list(model.graph.node)
    nodes += [
        helper.make_node(kind, inputs, [output], name=f"{kind}_{output}", **attributes)
        for kind, inputs, output, attributes in after
    ]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "engine",
        [
            info("pixels", TensorProto.UINT8, ["N", spec.height, "W", spec.channels]),
            info("content_widths", TensorProto.INT32, ["N"]),
        ],
        [
            info("classes", TensorProto.INT32, ["N", "T"]),
            info("confidences", TensorProto.FLOAT, ["N", "T"]),
        ],
        [
            *model.graph.initializer,
            *(numpy_helper.from_array(array, name) for name, array in constants.items()),
        ],
    )
    made = helper.make_model(graph, opset_imports=list(model.opset_import), ir_version=8)
    onnx.checker.check_model(made)
    return made


def build_plan(
    trt: Any,
    onnx_path: Path,
    plan_path: Path,
    profiles: Sequence[ShapeRange] = PROFILES,
    flags: Sequence[str] = (),
    graph_of: Callable[[onnx.ModelProto, RecognizerSpec], onnx.ModelProto] = engine_graph,
    **changes: Any,
) -> Path:
    """Build a plan with a (fake) library and write it and its sidecar.

    Args:
        trt: the library.
        onnx_path: a model that carries its spec.
        plan_path: where the plan goes.
        profiles: ranges of the model's input [N, C, H, W].
        flags: names of `BuilderFlag`.
        graph_of: makes the engine's graph of the model.
        changes: of the sidecar's fields.

    Returns:
        `plan_path`.
    """
    model = onnx.load(str(onnx_path))
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    spec = RecognizerSpec.from_metadata({SPEC_KEY: metadata[SPEC_KEY]}, "toy")
    assert spec is not None
    graph = graph_of(model, spec).SerializeToString()
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    network.name = f"distilrec {sha256_of(graph)[:16]}"
    assert trt.OnnxParser(network, logger).parse(graph)
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)  # whose rounding the toy network's weights amplify
    for flag in flags:
        config.set_flag(getattr(trt.BuilderFlag, flag))
    taken = [line_profile(shapes) for shapes in profiles]
    for profile in taken:
        made = builder.create_optimization_profile()
        for name, shapes in profile.items():
            made.set_shape(name, shapes.min, shapes.opt, shapes.max)
        config.add_optimization_profile(made)
    plan = bytes(builder.build_serialized_network(network, config))
    plan_path.write_bytes(plan)
    entries: dict[str, Any] = {
        "task": spec.task,
        "spec": spec.as_json(),
        "plan_sha256": sha256_of(plan),
        "onnx_sha256": sha256_of(onnx_path.read_bytes()),
        "graph_sha256": sha256_of(graph),
        "library": trt.__name__,
        "library_version": trt.__version__,
        "profiles": tuple(taken),
        "bindings": (
            Binding("pixels", "uint8", (-1, spec.height, -1, spec.channels), "input"),
            Binding("content_widths", "int32", (-1,), "input"),
            Binding("classes", "int32", (-1, -1), "output"),
            Binding("confidences", "float32", (-1, -1), "output"),
        ),
        "rebuild_command": REBUILD,
        "compute_capability": trt._cuda.capability if hasattr(trt, "_cuda") else None,
        "version_compatible": "VERSION_COMPATIBLE" in flags,
        "precision": {"asked": "fp32", "achieved": "fp32", "kept_fp32": []},
        **changes,
    }
    EngineSidecar(**entries).write(plan_path)
    return plan_path
