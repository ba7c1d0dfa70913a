"""FP16 that reads as FP32: planted faults are found, and only their region stays FP32."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from export.contract import model_contract
from export.conversion.graph_view import FLOAT16, named_copy, view
from export.conversion.model_file import ModelFile, read_model
from export.precision import growth, prove
from export.precision.prove import half_model
from export.precision.sensitive import kept_from_the_start
from export.precision.trials import Trials
from export.proof.compare import ComparedSample
from export.proof.samples import Samples
from export.recognition.samples import rendered_lines
from runtime.errors import ArtifactError
from runtime.images.read import read_image
from runtime.recognition.recognizer import Recognizer
from runtime.recognition.spec import RecognizerSpec

REGION = {"Conv_59", "Relu_60", "Conv_61"}
"""Squeeze, ReLU, excite: what ReLU hands on keeps its scale, so a factor can be taken back."""
FACTOR = 2.0**16
"""Exact in FP32. The scaled weights still fit FP16, the products that they make do not."""


@pytest.fixture(scope="session")
def student(small_student: Path) -> ModelFile:
    return read_model(small_student)


@pytest.fixture(scope="session")
def rendered(student: ModelFile) -> Samples:
    lines, lines_from = rendered_lines(student.spec.charset)
    return model_contract(student.spec).samples(lines[:16], lines_from)


@pytest.fixture(scope="session")
def planted(student: ModelFile) -> onnx.ModelProto:
    """The student, computing the same in FP32, with values up to 850,000 inside."""
    model = onnx.ModelProto()
    model.CopyFrom(student.model)
    nodes = {node.name: node for node in model.graph.node}
    weights = {weight.name: weight for weight in model.graph.initializer}
    scaled = [(nodes["Conv_59"].input[1], FACTOR), (nodes["Conv_59"].input[2], FACTOR)]
    scaled.append((nodes["Conv_61"].input[1], 1 / FACTOR))
    for name, factor in scaled:
        array = numpy_helper.to_array(weights[name]) * np.float32(factor)
        weights[name].CopyFrom(numpy_helper.from_array(array, name))
    return model


def trials_of(model: onnx.ModelProto, spec: RecognizerSpec) -> Trials:
    return Trials(view(named_copy(model)), model_contract(spec), 0.0, 50, is_quiet=True)


def test_the_student_is_half_as_it_is(student, rendered) -> None:
    half = half_model(student.model, model_contract(student.spec), rendered, is_quiet=True)
    report = half.report
    assert report.achieved == "fp16"
    assert {layer.operator for layer in report.kept} == {
        *("GlobalAveragePool", "LSTM", "MatMul", "Add", "Softmax")
    }
    assert report.num_half > 70 and report.num_float == 7 == len(report.kept)
    assert report.agreement.is_equal and report.agreement.num_samples == 16
    assert 0 < report.agreement.max_difference < 0.02
    convolutions = [weight for weight in half.model.graph.initializer if len(weight.dims) == 4]
    assert convolutions and all(weight.data_type == FLOAT16 for weight in convolutions)


def test_a_planted_overflow_is_real(student, planted, rendered) -> None:
    """Without the region in FP32 the reading is lost; onnxruntime by itself would not show it."""
    trials = trials_of(planted, student.spec)
    agreement = trials.compare(trials.candidate(set()), rendered)
    assert len(agreement.differences) > 8
    assert trials.compare(trials.candidate(REGION), rendered).is_equal


def test_a_planted_overflow_is_mended_by_its_ranges(student, planted, rendered) -> None:
    report = half_model(planted, model_contract(student.spec), rendered, is_quiet=True).report
    ranged = {layer.node: layer for layer in report.kept if layer.reason in ("range", "vanishing")}
    assert set(ranged) == REGION
    assert "Conv_59_out: |value| up to" in ranged["Relu_60"].detail
    assert {layer.reason for layer in report.kept if layer.node not in REGION} == {
        "operator",
        "logits",
    }
    assert report.achieved == "mixed" and report.agreement.is_equal
    assert report.num_half > 70


def test_a_planted_overflow_is_found_by_bisecting(
    student, planted, rendered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prove, "largest_magnitudes", lambda *_: {})
    few = rendered.subset(range(4))
    report = half_model(planted, model_contract(student.spec), few, is_quiet=True).report
    guilty = {layer.node: layer for layer in report.kept if layer.reason == "text"}
    assert guilty and set(guilty) <= REGION
    assert all("instead of" in layer.detail for layer in guilty.values())
    assert report.achieved == "mixed" and report.agreement.is_equal
    assert report.num_half > 70 and 2 < report.num_tries < 50


def test_the_search_ends_in_fp32_when_nothing_agrees(
    student, rendered, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Trials.candidate

    def noisy(self, kept):
        form, rng = real(self, kept), np.random.default_rng(0)
        return replace(form, run=lambda batch: rng.permuted(form.run(batch), axis=-1))

    monkeypatch.setattr(Trials, "candidate", noisy)
    few = rendered.subset(range(4))
    half = half_model(student.model, model_contract(student.spec), few, most_tries=5, is_quiet=True)
    assert half.report.achieved == "fp32" and half.report.num_half == 0
    assert half.report.num_tries <= 6
    assert half.report.agreement.is_equal
    assert not any(initializer.data_type == FLOAT16 for initializer in half.model.graph.initializer)


def test_without_a_guilty_node_the_worst_are_kept(
    student, rendered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ties that all roundings together turn: two rounds in which one text differs."""
    real = Trials.compare
    assert growth.CLEAR_MARGIN > 0.01
    calls = []

    def strict(self, candidate, samples):
        agreement = real(self, candidate, samples)
        calls.append(agreement.max_difference)
        if len(calls) < 3:
            return replace(agreement, samples=(ComparedSample(0, "a", "b", 0.1, 0.01),))
        return agreement

    monkeypatch.setattr(Trials, "compare", strict)
    few = rendered.subset(range(3))
    report = half_model(student.model, model_contract(student.spec), few, is_quiet=True).report
    added = [layer for layer in report.kept if layer.reason == "error"]
    assert report.achieved == "mixed" and 0 < len(added) < report.num_half + len(added)
    assert "'b' instead of 'a'" in added[0].detail
    assert calls[-1] < calls[0]


def test_a_value_that_vanishes_is_kept(student) -> None:
    source = view(named_copy(student.model))
    kept = kept_from_the_start(source, {"Conv_59_out": 1e-6})
    assert {name for name, layer in kept.items() if layer.reason == "vanishing"} == {
        *("Conv_59", "Relu_60")
    }


def test_the_result_is_an_ordinary_recogniser(student, rendered, tmp_path: Path) -> None:
    few = rendered.subset(range(8))
    half = half_model(
        student.model,
        model_contract(student.spec),
        few,
        source_sha256=student.sha256,
        is_quiet=True,
    )
    path = tmp_path / "half.onnx"
    path.write_bytes(half.model.SerializeToString())
    spec = read_model(path).spec
    assert spec == half.spec and spec.characters == student.spec.characters
    assert spec.provenance["source_onnx_sha256"] == student.sha256
    assert spec.provenance["precision"]["achieved"] == "fp16"
    assert spec.provenance["parity"] == student.spec.provenance["parity"]
    with pytest.raises(ArtifactError, match="FP16 already"):
        half_model(half.model, model_contract(spec), few, is_quiet=True)


def _on_real_lines(student: ModelFile, crops: list[Path], tie_tolerance: float):
    images = [read_image(crop) for crop in crops]
    contract = model_contract(student.spec)
    return half_model(
        student.model,
        contract,
        contract.samples(images, f"{len(images)} crops"),
        tie_tolerance=tie_tolerance,
        is_quiet=True,
    ).report


def test_100_real_lines_read_the_same(student, real_crops) -> None:
    report = _on_real_lines(student, real_crops[:100], 0.01)
    assert report.achieved == "fp16" and report.agreement.is_equal
    assert report.agreement.num_samples == 100 and report.agreement.num_ties <= 8
    assert report.agreement.num_equal_decisions >= 0.999 * report.agreement.num_decisions


@pytest.mark.slow
def test_500_real_lines_read_the_same(student, real_crops) -> None:
    """Every text equal, ties too, at the price of FP32; with ties granted, FP16 throughout."""
    strict = _on_real_lines(student, real_crops, 0.0)
    assert strict.agreement.is_equal and strict.agreement.num_ties == 0
    assert strict.agreement.num_samples == 500
    granted = _on_real_lines(student, real_crops, 0.01)
    assert granted.achieved == "fp16" and granted.agreement.num_ties <= 25


def test_no_paddle_is_needed(student, tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['paddle'] = None\n"
        "from export.__main__ import main\n"
        f"sys.exit(main(['precision', '--onnx', {str(student.path)!r}, "
        f"'--output', {str(tmp_path / 'half.onnx')!r}, '--images', 'images']))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert '"achieved": "fp16"' in result.stdout
    # The runtime reads it too, on a CPU whose onnxruntime would crash on it.
    images = sorted(Path("images").glob("*.jpg"))
    texts = []
    for path in (student.path, tmp_path / "half.onnx"):
        with Recognizer(path, device="cpu") as recognizer:
            texts.append([line.text for line in recognizer(images)])
    assert texts[0] == texts[1] and any(texts[0])
