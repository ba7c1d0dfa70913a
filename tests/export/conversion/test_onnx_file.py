"""Files from anywhere are read whole or refused in one line."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from export.__main__ import main
from export.conversion import onnx_file
from export.conversion.onnx_file import load_model
from runtime.errors import ArtifactError
from tests.export.hostile_models import first_weight, hostile_files, write_apart

LATIN = Path("models/latin/student.onnx")
GOOD = LATIN.read_bytes()
HOSTILE = dict(hostile_files(GOOD))
IMAGES = ("--images", "images/line_01.jpg")
LOADS_BUT_DOES_NOT_READ = frozenset(
    {
        *("segmentation", "zero_size_weight", "height_of_1e6", "huge_constant", "time_major"),
        *("cycle", "dangling", "unknown_operator", "no_output"),
    }
)


def _arguments(command, path, folder):
    output = str(folder / "made")
    return {
        "verify": ["verify", str(LATIN), str(path), *IMAGES],
        "verify first": ["verify", str(path), str(LATIN), *IMAGES],
        "precision": ["precision", "--onnx", str(path), "--output", f"{output}.onnx", *IMAGES],
        "quantize": ["quantize", "--onnx", str(path), "--output", f"{output}.onnx", *IMAGES],
        "build": ["build", "--onnx", str(path), "--saveEngine", f"{output}.plan", *IMAGES],
        "adopt": ["adopt", str(path), "--output", f"{output}.onnx", "--dictionary",
                  "configs/latin_dict.txt"],
        "inspect": ["inspect", str(path)],
    }[command]  # fmt: skip


COMMANDS = ("verify", "verify first", "precision", "quantize", "build", "adopt")


@pytest.mark.parametrize("name", HOSTILE)
def test_every_command_refuses_it_in_one_line(name, tmp_path, capsys):
    pytest.importorskip("tensorrt_rtx", reason="build asks for it first")
    path = tmp_path / f"{name}.onnx"
    path.write_bytes(HOSTILE[name])
    for command in COMMANDS:
        made = tmp_path / command
        made.mkdir()
        assert main(_arguments(command, path, made)) == 2, command
        said = capsys.readouterr()
        assert said.out == ""
        assert len(said.err.strip().splitlines()) == 1, said.err
        assert not any(made.iterdir())
    if name not in LOADS_BUT_DOES_NOT_READ:
        assert main(_arguments("inspect", path, tmp_path)) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.parametrize("name", sorted(HOSTILE.keys() - LOADS_BUT_DOES_NOT_READ))
def test_what_is_not_whole_is_not_loaded(name, tmp_path):
    path = tmp_path / f"{name}.onnx"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(ArtifactError, match=rf"{name}\.onnx: .*expected ") as told:
        load_model(path)
    assert "\n" not in str(told.value)


def test_what_is_missing_or_a_folder(tmp_path):
    for path in (tmp_path / "none.onnx", tmp_path):
        with pytest.raises(ArtifactError, match="cannot read the model"):
            load_model(path)


def test_a_good_file_is_read_as_it_is():
    assert load_model(LATIN).SerializeToString() == onnx.load(LATIN).SerializeToString()


@pytest.mark.parametrize("told", [{}, {"offset": 0}, {"length": 1728}, {"checksum": "x"}])
def test_weights_beside_the_model_are_put_in(tmp_path, told):
    path = write_apart(onnx.load_model_from_string(GOOD), tmp_path, **told)
    model = load_model(path)
    assert first_weight(model).raw_data == first_weight(onnx.load(LATIN)).raw_data
    assert not first_weight(model).external_data


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"offset": 8}, "is incomplete: expected 1728 .* got 1720"),
        ({"offset": 10**15}, "cannot read"),
        ({"offset": -5}, "cannot read"),
        ({"offset": "many"}, "cannot read"),
        ({"location": "."}, "no such file"),
        ({"location": "sub/../../x"}, "outside its folder"),
        ({"location": "link"}, "outside its folder"),
    ],
)
def test_weights_that_are_not_there_or_too_few(tmp_path, told, message):
    (tmp_path / "link").symlink_to("/etc/passwd")
    path = write_apart(onnx.load_model_from_string(GOOD), tmp_path, **told)
    with pytest.raises(ArtifactError, match=message):
        load_model(path)


def test_no_more_is_read_than_the_shape_asks_for(tmp_path):
    path = write_apart(onnx.load_model_from_string(GOOD), tmp_path)
    with (tmp_path / "weights.bin").open("r+b") as file:
        file.truncate(2**40)  # sparse
    assert len(first_weight(load_model(path)).raw_data) == 1728


def test_a_file_beyond_what_protobuf_writes(tmp_path):
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.truncate(2**31)
    with pytest.raises(ArtifactError, match=r"expected at most 2 GiB, got 2\.0 GiB"):
        load_model(path)


def test_weights_together_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_file, "MOST_BYTES", len(GOOD) // 2)
    path = write_apart(onnx.load_model_from_string(GOOD), tmp_path)
    with pytest.raises(ArtifactError, match="at most 2 GiB"):
        load_model(path)


_TYPED_ALONE = (
    *(TensorProto.STRING, TensorProto.COMPLEX64),
    *(TensorProto.BFLOAT16, TensorProto.FLOAT8E4M3FN),
)


@pytest.mark.parametrize(
    "kind",
    [
        *(TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.FLOAT8E4M3FN),
        *(TensorProto.INT8, TensorProto.INT64, TensorProto.BOOL, TensorProto.INT4),
        *(TensorProto.COMPLEX64, TensorProto.DOUBLE, TensorProto.STRING),
    ],
)
@pytest.mark.parametrize("is_raw", [True, False])
def test_weights_of_any_type_are_counted(tmp_path, kind, is_raw):
    values = [b"a", b"b", b"c"] if kind == TensorProto.STRING else [1, 0, 1]
    tensor = helper.make_tensor("t", kind, [3], values)
    if is_raw and kind not in _TYPED_ALONE:
        if kind == TensorProto.INT4:
            tensor = helper.make_tensor("t", kind, [3], bytes(2), raw=True)
        else:
            tensor = numpy_helper.from_array(numpy_helper.to_array(tensor), "t")
    model = onnx.load_model_from_string(GOOD)
    model.graph.initializer.append(tensor)
    path = tmp_path / "typed.onnx"
    path.write_bytes(model.SerializeToString())
    assert len(load_model(path).graph.initializer) == len(model.graph.initializer)
    model.graph.initializer[-1].dims[0] = 5
    path.write_bytes(model.SerializeToString())
    if kind != TensorProto.STRING:
        with pytest.raises(ArtifactError, match="is incomplete"):
            load_model(path)


def test_values_within_nodes_and_inner_graphs_count_too(tmp_path):
    model = onnx.load_model_from_string(GOOD)
    inner = helper.make_graph([], "inner", [], [])
    inner.initializer.append(numpy_helper.from_array(np.array([np.nan], np.float32), "deep"))
    model.graph.node[0].attribute.append(helper.make_attribute("then_branch", inner))
    path = tmp_path / "inner.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ArtifactError, match="NaN in weight 'deep'"):
        load_model(path)


_SMALL = helper.make_model(
    helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Add", ["y", "w"], ["z"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 32, "W"])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", "T", 5])],
        [numpy_helper.from_array(np.ones(7, np.float32), "w")],
    )
).SerializeToString()


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(st.integers(0, len(_SMALL) - 1), st.integers(0, 255)), max_size=12),
    st.integers(0, len(_SMALL)),
)
def test_whatever_bytes_are_changed_or_lost(tmp_path_factory, changes, kept):
    content = bytearray(_SMALL)
    for place, value in changes:
        content[place] = value
    path = tmp_path_factory.mktemp("changed") / "a.onnx"
    path.write_bytes(bytes(content[:kept]))
    try:
        model = load_model(path)
    except ArtifactError as error:
        assert "\n" not in str(error) and len(str(error)) < 2000
    else:
        assert model.graph.node
