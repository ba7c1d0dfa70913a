"""The engine graph computes what preprocessing, network and best path compute apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from export.contract import model_contract
from export.conversion.model_file import ModelFile, read_model
from export.engine.graph_file import write_engine_graph
from export.precision.prove import half_model
from export.proof.emulate import cpu_session, emulation_of
from export.recognition.engine_graph import engine_graph
from export.recognition.samples import rendered_lines
from runtime import Recognizer
from runtime.batching import batches_by_width
from runtime.errors import ArtifactError
from runtime.images.read import read_image
from runtime.recognition.best_path_session import BestPathSession
from runtime.recognition.ctc import best_path, decode_best_path
from runtime.recognition.preprocess import Image, batch_from_lines, prepare_line
from runtime.recognition.session import CLASSES, CONFIDENCES, CONTENT_WIDTHS, PIXELS
from runtime.recognition.spec import RecognizerSpec


@pytest.fixture(scope="session")
def student(small_student: Path) -> ModelFile:
    return read_model(small_student)


def packed(lines: tuple[Image, ...], width: int, filling: int | None) -> dict[str, NDArray]:
    """Inputs of an engine; what lies right of the content is noise, or one value."""
    height, _, channels = lines[0].shape
    shape = (len(lines), height, width, channels)
    noise = np.random.default_rng(0).integers(0, 256, shape)
    pixels = (noise if filling is None else np.full(shape, filling)).astype(np.uint8)
    for row, line in zip(pixels, lines, strict=True):
        row[:, : line.shape[1]] = line
    widths = np.array([line.shape[1] for line in lines], np.int32)
    return {PIXELS: pixels, CONTENT_WIDTHS: widths}


def check_reads_alike(
    model: onnx.ModelProto, spec: RecognizerSpec, images: list[Image], tolerance: float
) -> int:
    """Both ways on the same lines; gives how many texts were compared."""
    ordinary, engine = cpu_session(model, True), cpu_session(engine_graph(model, spec), True)
    lines = [prepare_line(image, spec) for image in images]
    sized = [(spec.width.input_width(line.shape[1]), line) for line in lines]
    num_lines = 0
    for group in batches_by_width(sized, 16, len(sized)):
        batch = batch_from_lines(group.lines, group.width, spec.mean, spec.std)
        indices, values = best_path(ordinary.run([spec.output_name], {spec.input_name: batch})[0])
        results = [
            engine.run([CLASSES, CONFIDENCES], packed(group.lines, group.width, filling))
            for filling in (None, 0)
        ]
        for got, confidences in results:
            assert got.dtype == np.int32 and confidences.dtype == np.float32
            np.testing.assert_array_equal(got, indices)
            np.testing.assert_allclose(confidences, values, rtol=0, atol=tolerance)
        np.testing.assert_array_equal(results[0][1], results[1][1])
        texts = [decode_best_path(*one, spec.charset) for one in ((indices, values), results[0])]
        assert [text.text for text in texts[0]] == [text.text for text in texts[1]]
        num_lines += len(texts[0])
    return num_lines


def test_rendered_lines(student) -> None:
    images, _ = rendered_lines(student.spec.charset)
    assert check_reads_alike(student.model, student.spec, images, 1e-6) == 64


def test_real_lines(student, real_crops) -> None:
    images = [read_image(crop) for crop in real_crops[:60]]
    assert check_reads_alike(student.model, student.spec, images, 1e-6) == 60


@pytest.mark.slow
def test_500_real_lines_in_half(student, real_crops) -> None:
    images = [read_image(crop) for crop in real_crops]
    contract = model_contract(student.spec)
    samples = contract.samples(images, "500 crops")
    half = half_model(student.model, contract, samples, tie_tolerance=0.01, is_quiet=True)
    assert half.report.achieved == "fp16"
    assert check_reads_alike(emulation_of(half.model), half.spec, images, 1e-6) == 500


def test_every_level_is_normalised_to_the_bit(student) -> None:
    """A network that hands its input on shows what the wrapping computes."""
    spec = RecognizerSpec(characters=("a", "b"), height=4, mean=0.485, std=0.229)
    line = np.arange(256, dtype=np.uint8).reshape(4, 64)[..., np.newaxis].repeat(3, axis=2)
    model = handing_on(spec)
    engine = cpu_session(engine_graph(model, spec), is_exact=True)
    got = engine.run([CONFIDENCES], packed((line[:, :40],), 64, 255))[0]
    expected = batch_from_lines([line[:, :40]], 64, spec.mean, spec.std)
    np.testing.assert_array_equal(got[0], expected[0].max(axis=(0, 1)))


def handing_on(spec: RecognizerSpec) -> onnx.ModelProto:
    """[N, 3, H, W] -> the largest value of each column as class 0 of 3, [N, W, 3]."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("ReduceMax", ["x"], ["m"], axes=[1, 2], keepdims=0),
        helper.make_node("Unsqueeze", ["m", "last"], ["u"]),
        helper.make_node("Pad", ["u", "pads", "low"], ["probabilities"]),
    ]
    constants = {
        "last": np.array([2], np.int64),
        "pads": np.array([0, 0, 0, 0, 0, 2], np.int64),
        "low": np.float32(-9),
    }
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, spec.height, "W"])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", "W", 3])],
        [
            onnx.numpy_helper.from_array(np.asarray(array), name)
            for name, array in constants.items()
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)


def test_logits_get_a_softmax(student) -> None:
    from dataclasses import replace

    model = onnx.ModelProto()
    model.CopyFrom(student.model)
    last = model.graph.node[-1]
    assert last.op_type == "Softmax"
    last.op_type = "Identity"
    del last.attribute[:]
    spec = replace(student.spec, output_activation="none")
    images, _ = rendered_lines(spec.charset)
    lines = tuple(prepare_line(image, spec) for image in images[:1])
    width = spec.width.input_width(lines[0].shape[1])
    results = [
        cpu_session(engine_graph(*pair)).run([CLASSES, CONFIDENCES], packed(lines, width, None))
        for pair in ((student.model, student.spec), (model, spec))
    ]
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_allclose(results[0][1], results[1][1], atol=1e-6)


def test_the_graph_describes_itself_and_is_the_same_each_time(student) -> None:
    graphs = [engine_graph(student.model, student.spec) for _ in range(2)]
    first, second = (graph.SerializeToString(deterministic=True) for graph in graphs)
    assert first == second
    metadata = {entry.key: entry.value for entry in graphs[0].metadata_props}
    assert RecognizerSpec.from_metadata(metadata, "graph") == student.spec


def test_another_model_is_refused(student) -> None:
    from dataclasses import replace

    with pytest.raises(ArtifactError, match=r"expected image -> probabilities, got x ->"):
        engine_graph(student.model, replace(student.spec, input_name="image"))


def test_the_graph_as_a_file_is_read_like_any_model(student, tmp_path: Path) -> None:
    graph = write_engine_graph(student.path, tmp_path / "student_gpu.onnx")
    images, _ = rendered_lines(student.spec.charset)
    with Recognizer(student.path, device="cpu") as expected, Recognizer(graph, device="cpu") as got:
        assert isinstance(got._session, BestPathSession)
        pairs = list(zip(expected(images), got(images), strict=True))
    assert len(pairs) == 64 and len({reading.text for reading, _ in pairs}) > 40
    for one, other in pairs:
        assert (other.text, other.time_steps) == (one.text, one.time_steps)
        assert other.confidence == pytest.approx(one.confidence, abs=1e-6)


def test_the_command_writes_the_graph_beside_the_model(
    student, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from export.__main__ import main

    onnx_path = tmp_path / "mine.onnx"
    onnx_path.write_bytes(student.path.read_bytes())
    assert main(["graph", "--onnx", str(onnx_path)]) == 0
    written = tmp_path / "mine_gpu.onnx"
    assert str(written) in capsys.readouterr().out
    graph = onnx.load(str(written)).graph
    assert {value.name for value in graph.input} == {PIXELS, CONTENT_WIDTHS}
