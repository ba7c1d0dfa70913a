"""A converter's graph made clean, stable and self-describing, without paddle."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from export.conversion.graph import IR_VERSION, describe, finish, input_shape
from runtime.errors import ArtifactError
from runtime.recognition.spec import RecognizerSpec, WidthPolicy
from tests.runtime.conftest import CHARACTERS, write_toy_model

SPEC = RecognizerSpec(characters=CHARACTERS)
FIXED = RecognizerSpec(characters=CHARACTERS, width=WidthPolicy(96, 96, 96))


def raw_model(
    folder: Path, input_shape: tuple[int | str, ...] = ("D0", 3, 32, "D1"), salt: str = ""
) -> onnx.ModelProto:
    """As a converter leaves it: names that count up, Identity, BatchNorm, what nothing uses."""
    model = onnx.load(write_toy_model(folder / "raw.onnx", input_shape=input_shape))
    graph = model.graph
    (convolution,) = [node for node in graph.node if node.op_type == "Conv"]
    scale = np.linspace(0.5, 2, len(CHARACTERS) + 1, dtype=np.float32)
    for name, array in (
        ("s", scale),
        ("b", scale),
        ("m", scale - 1),
        ("v", scale),
        ("dead", scale),
    ):
        graph.initializer.append(numpy_helper.from_array(array, f"{name}{salt}"))
    place = list(graph.node).index(convolution) + 1
    was = convolution.output[0]
    convolution.output[0] = f"before{salt}"
    more = [
        helper.make_node(
            "BatchNormalization", [f"before{salt}", *(f"{one}{salt}" for one in "sbmv")], ["norm"]
        ),
        helper.make_node("Identity", ["norm"], [was]),
    ]
    for number, node in enumerate(more):
        graph.node.insert(place + number, node)
    graph.node[0].name = f"pool{salt}"
    model.producer_name, model.doc_string, graph.name = f"converter{salt}", "made today", f"g{salt}"
    helper.set_model_props(model, {"left": "over"})
    return model


def shapes(model: onnx.ModelProto) -> dict[str, list[int | str]]:
    return {
        value.name: [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }


def run(model: onnx.ModelProto, batch: NDArray[np.float32]) -> Any:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {model.graph.input[0].name: batch})[0]


def test_what_is_computed_stays_and_what_is_not_needed_goes(tmp_path: Path) -> None:
    batch = np.random.default_rng(0).uniform(-1, 1, (3, 3, 32, 64)).astype(np.float32)
    expected = run(raw_model(tmp_path), batch)
    model = finish(raw_model(tmp_path), SPEC, None)
    assert np.allclose(run(model, batch), expected, atol=1e-6)
    kinds = {node.op_type for node in model.graph.node}
    assert not kinds & {"BatchNormalization", "Identity", "Constant", "Dropout"}
    used = {name for node in model.graph.node for name in node.input}
    assert all(weight.name in used for weight in model.graph.initializer)
    assert not model.graph.value_info and not model.doc_string
    assert model.ir_version == IR_VERSION


def test_open_dimensions_have_names(tmp_path: Path) -> None:
    model = finish(raw_model(tmp_path), SPEC, None)
    classes = len(CHARACTERS) + 1
    assert shapes(model) == {"x": ["N", 3, 32, "W"], "probabilities": ["N", "T", classes]}
    assert input_shape(model) == [None, 3, 32, None]


def test_a_fixed_batch_and_width_reach_the_output(tmp_path: Path) -> None:
    classes = len(CHARACTERS) + 1
    model = finish(raw_model(tmp_path), SPEC, 4)
    assert shapes(model) == {"x": [4, 3, 32, "W"], "probabilities": [4, "T", classes]}
    model = finish(raw_model(tmp_path), FIXED, None)
    assert shapes(model) == {"x": ["N", 3, 32, 96], "probabilities": ["N", 24, classes]}
    model = finish(raw_model(tmp_path), FIXED, 4)
    assert shapes(model) == {"x": [4, 3, 32, 96], "probabilities": [4, 24, classes]}
    assert run(model, np.zeros((4, 3, 32, 96), np.float32)).shape == (4, 24, classes)


def test_what_the_model_fixes_is_not_opened(tmp_path: Path) -> None:
    model = finish(raw_model(tmp_path, (2, 3, 32, 64)), SPEC, None)
    assert input_shape(model) == [2, 3, 32, 64]
    assert shapes(model)["probabilities"] == [2, 16, len(CHARACTERS) + 1]


@pytest.mark.parametrize(
    ("fixed", "spec", "batch_size", "told"),
    [
        (("N", 3, 48, "W"), SPEC, None, "expected H = 32, got one that fixes H = 48"),
        (("N", 1, 32, "W"), SPEC, None, "expected C = 3, got one that fixes C = 1"),
        ((2, 3, 32, "W"), SPEC, 4, "expected N = 4, got one that fixes N = 2"),
        (("N", 3, 32, 64), FIXED, None, "expected W = 96, got one that fixes W = 64"),
    ],
)
def test_another_size_than_the_models_is_refused(
    tmp_path: Path,
    fixed: tuple[int | str, ...],
    spec: RecognizerSpec,
    batch_size: int | None,
    told: str,
) -> None:
    raw = onnx.load(write_toy_model(tmp_path / "raw.onnx", input_shape=fixed))
    with pytest.raises(ArtifactError, match=told):
        finish(raw, spec, batch_size)


def test_names_and_bytes_do_not_depend_on_the_converters(tmp_path: Path) -> None:
    first = finish(raw_model(tmp_path), SPEC, None)
    second = finish(raw_model(tmp_path, ("p2o.0", 3, 32, "p2o.1"), salt="_77"), SPEC, None)
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(
        deterministic=True
    )
    values = [name for node in first.graph.node for name in (node.name, *node.output)]
    assert len(set(values)) == len(values)
    assert all("before" not in name and "norm" not in name for name in values)


def test_another_process_gives_the_same_bytes(tmp_path: Path) -> None:
    """Sets are ordered by hashes of strings, which differ from process to process."""
    code = (
        "import hashlib, sys; from pathlib import Path\n"
        "from tests.export.conversion.test_graph import SPEC, finish, raw_model\n"
        "model = finish(raw_model(Path(sys.argv[1])), SPEC, None)\n"
        "print(hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest())"
    )
    child = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=Path(__file__).resolve().parents[3],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    model = finish(raw_model(tmp_path), SPEC, None)
    here = hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()
    assert child.stdout.split()[-1] == here


def test_tensors_are_named_as_the_spec_says(tmp_path: Path) -> None:
    spec = RecognizerSpec(characters=CHARACTERS, input_name="images", output_name="scores")
    model = finish(raw_model(tmp_path), spec, None)
    assert list(shapes(model)) == ["images", "scores"]
    assert run(model, np.zeros((1, 3, 32, 64), np.float32)).shape[0] == 1


def test_the_metadata_hold_the_spec_alone_and_describing_again_replaces_it(tmp_path: Path) -> None:
    model = finish(raw_model(tmp_path), SPEC, None)
    assert {entry.key: entry.value for entry in model.metadata_props} == SPEC.to_metadata()
    other = RecognizerSpec(characters=("a",), provenance={"parity": {"max_difference": 1e-6}})
    describe(model, other)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert RecognizerSpec.from_metadata(metadata, "test") == other
    assert len(model.metadata_props) == len(metadata) == 2


def test_describing_keeps_what_others_wrote(tmp_path: Path) -> None:
    model = raw_model(tmp_path)
    describe(model, SPEC)
    assert {entry.key: entry.value for entry in model.metadata_props}["left"] == "over"


def test_models_with_other_ends_are_refused(tmp_path: Path) -> None:
    two = raw_model(tmp_path)
    two.graph.output.append(helper.make_tensor_value_info("norm", TensorProto.FLOAT, None))
    with pytest.raises(ArtifactError, match=r"1 inputs and 2 outputs.*give a recogniser"):
        finish(two, SPEC, None)
    two = raw_model(tmp_path)
    two.graph.input.append(helper.make_tensor_value_info("size", TensorProto.FLOAT, [1]))
    with pytest.raises(ArtifactError, match=r"2 inputs and 1 outputs.*give a recogniser"):
        finish(two, SPEC, None)
    flat = raw_model(tmp_path)
    del flat.graph.input[0].type.tensor_type.shape.dim[2:]
    with pytest.raises(ArtifactError, match=r"2 dimensions: expected 4.*give a recogniser"):
        finish(flat, SPEC, None)


def test_a_graph_that_cannot_be_is_refused_in_one_line(tmp_path: Path) -> None:
    model = raw_model(tmp_path)
    (squeeze,) = [node for node in model.graph.node if node.op_type == "Squeeze"]
    (pool,) = [node for node in model.graph.node if node.op_type == "AveragePool"]
    pool.attribute[0].ints[0] = pool.attribute[1].ints[0] = 8
    assert squeeze
    with pytest.raises(ArtifactError, match="not valid ONNX") as told:
        finish(model, SPEC, None)
    assert "\n" not in str(told.value)
