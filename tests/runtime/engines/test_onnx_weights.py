"""What the bytes of an ONNX file tell of its weights."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from runtime.engines.onnx_weights import Weights, check_files, weights_of
from runtime.errors import ArtifactError
from runtime.recognition.session import open_session
from tests.fakes.anything import RELAXED
from tests.fakes.foreign_model import write_foreign_model


def written(path: Path, *kinds: type[np.generic]) -> Path:
    weights = [numpy_helper.from_array(np.ones(300, kind), kind.__name__) for kind in kinds]
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT16, ["N"])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT16, ["N"])
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "g", [value], [out], weights)
    onnx.save(helper.make_model(graph), path)
    return path


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ((), False),
        ((np.float32, np.int64), False),
        ((np.float16,), True),
        ((np.float32, np.int64, np.float16), True),
    ],
)
def test_weights_tell(tmp_path: Path, kinds: tuple[type[np.generic], ...], expected: bool) -> None:
    assert weights_of(written(tmp_path / "m.onnx", *kinds)).has_half is expected


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x07" * 40, b"\xff" * 50])
def test_what_is_no_model_has_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    assert not weights_of(path).has_half
    assert not weights_of(tmp_path / "missing.onnx").has_half


def test_a_cut_model_is_no_error(tmp_path: Path) -> None:
    path = written(tmp_path / "m.onnx", np.float32, np.float16)
    data = path.read_bytes()
    for length in range(0, len(data), 37):
        path.write_bytes(data[:length])
        assert weights_of(path).has_half in (False, True)


def with_weights_in(path: Path, location: str, length: int | None = None) -> Path:
    """A recogniser whose convolution's weights lie in a file, which is not written."""
    model = onnx.load(write_foreign_model(path))
    (weights,) = (tensor for tensor in model.graph.initializer if tensor.name == "weights")
    size = len(weights.raw_data) if length is None else length
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(size))):
        entry = weights.external_data.add()
        entry.key, entry.value = key, value
    path.write_bytes(model.SerializeToString())
    return path


def test_weights_in_a_file_beside_are_read(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    model = onnx.load(write_foreign_model(path))
    # What is as small as axes stays inside: onnxruntime wants it there.
    onnx.save(model, path, save_as_external_data=True, location="m.data", size_threshold=100)
    assert weights_of(path).files == {"m.data"}
    assert open_session(path).spec.num_classes == 15


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("../outside.bin", r"its weights lie outside its folder: .* got '../outside\.bin'"),
        ("a/../../outside.bin", "lie outside its folder"),
        ("/etc/passwd", "lie outside its folder: .* got '/etc/passwd'"),
        ("/dev/zero", "lie outside its folder"),
        ("..\\outside.bin", "lie outside its folder"),
        ("linked.bin", r"lie outside its folder: .* got 'linked\.bin'"),
        ("", "lie outside its folder"),
        ("nowhere.bin", r"expected 'nowhere\.bin' in the folder of the model, got no such file"),
        ("*/_ORT_MEM_ADDR_/*", "got no such file"),
    ],
)
def test_weights_elsewhere_are_refused(tmp_path: Path, location: str, reason: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "outside.bin").write_bytes(bytes(4096))
    (home / "linked.bin").symlink_to(tmp_path / "outside.bin")
    path = with_weights_in(home / "m.onnx", location)
    with pytest.raises(ArtifactError, match=reason) as error:
        open_session(path)
    assert "\n" not in str(error.value)


def test_weights_shorter_than_declared_are_refused(tmp_path: Path) -> None:
    path = with_weights_in(tmp_path / "m.onnx", "m.data", 4 * 10**12)
    (tmp_path / "m.data").write_bytes(bytes(16))
    with pytest.raises(ArtifactError, match=r"cannot open the model"):
        open_session(path)


def test_a_link_to_model_and_weights_is_followed(tmp_path: Path) -> None:
    """As the Hugging Face cache lays its files out."""
    (tmp_path / "blobs").mkdir()
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "blobs" / "weights").write_bytes(bytes(4096))
    path = with_weights_in(tmp_path / "blobs" / "m.onnx", "weights")
    for name in ("m.onnx", "weights"):
        (tmp_path / "snapshot" / name).symlink_to(tmp_path / "blobs" / name)
    linked = tmp_path / "snapshot" / path.name
    check_files(linked, weights_of(linked))


def test_weights_inside_a_branch_and_a_constant_are_seen(tmp_path: Path) -> None:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT16, dims=[1])
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../hidden.bin"
    constant = helper.make_node("Constant", [], ["c"])
    attribute = constant.attribute.add(name="value", type=onnx.AttributeProto.TENSOR)
    attribute.t.CopyFrom(tensor)
    branch = helper.make_graph([constant], "branch", [], [])
    node = helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch)
    path = tmp_path / "m.onnx"
    path.write_bytes(helper.make_model(helper.make_graph([node], "g", [], [])).SerializeToString())
    assert weights_of(path) == Weights(True, frozenset({"../hidden.bin"}))


def test_a_file_of_countless_parts_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.engines.onnx_weights._MOST_FIELDS", 1000)
    path = tmp_path / "m.onnx"
    path.write_bytes(b"\x08\x07" * 1001)
    with pytest.raises(ArtifactError, match="expected up to 1000 fields"):
        weights_of(path)
    path.write_bytes(b"\x08\x07" * 1000)
    assert weights_of(path) == Weights()


@given(st.binary(max_size=300))
@RELAXED
def test_any_bytes_are_walked_without_an_error(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.onnx"
        path.write_bytes(data)
        assert isinstance(weights_of(path), Weights)
