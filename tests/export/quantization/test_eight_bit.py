"""8-bit forms: what they read is told truly, and what harms reading stays FP32."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from export.__main__ import main
from export.conversion.model_file import ModelFile, read_model
from export.conversion.precision_of import has_eight_bit
from export.precision import half_model
from export.quantization import Limits, eight_bit_model
from export.quantization.eight_bit import EightBitModel
from export.quantization.report import Reading
from export.recognition.contract import RecognizerContract
from export.recognition.samples import rendered_lines
from runtime import Recognizer
from runtime.errors import ArtifactError, ConfigError, ParityError


@pytest.fixture(scope="module")
def student(small_student: Path) -> ModelFile:
    return read_model(small_student)


@pytest.fixture(scope="module")
def rendered(student: ModelFile) -> list[np.ndarray]:
    return rendered_lines(student.spec.charset)[0][:24]


@pytest.fixture(scope="module")
def eight_bit(student: ModelFile, rendered: list[np.ndarray]) -> EightBitModel:
    return quantized(student.model, student, rendered)


def quantized(model, student, lines, **options) -> EightBitModel:
    options = {"limits": Limits(min_equal=0.8), **options}
    contract = RecognizerContract(student.spec)
    return eight_bit_model(
        model, contract, contract.samples(lines, "rendered lines"), is_quiet=True, **options
    )


def weight_of(model: onnx.ModelProto, name: str) -> onnx.TensorProto:
    return next(initializer for initializer in model.graph.initializer if initializer.name == name)


def test_its_large_products_are_8_bit(student, eight_bit) -> None:
    assert has_eight_bit(eight_bit.model) and not has_eight_bit(student.model)
    report = eight_bit.report
    assert report.num_eight_bit > 10
    held = {
        initializer.data_type
        for initializer in eight_bit.model.graph.initializer
        if len(initializer.dims) == 4
    }
    assert onnx.TensorProto.INT8 in held
    depthwise = [
        node
        for node in eight_bit.model.graph.node
        if any(attribute.name == "group" and attribute.i > 1 for attribute in node.attribute)
    ]
    kinds = {
        initializer.name: initializer.data_type for initializer in eight_bit.model.graph.initializer
    }
    assert depthwise and all(
        kinds[node.input[1]] == onnx.TensorProto.FLOAT for node in depthwise
    ), "depthwise convolutions stay FP32"


def test_the_report_is_what_the_runtime_reads(student, eight_bit, rendered, tmp_path) -> None:
    path = tmp_path / "eight_bit.onnx"
    path.write_bytes(eight_bit.model.SerializeToString())
    judged = rendered[1::2]
    with Recognizer(student.path) as before, Recognizer(path) as after:
        assert after.spec.characters == before.spec.characters
        pairs = list(zip(before(judged), after(judged), strict=True))
    equal = sum(one.text == other.text for one, other in pairs)
    reading = eight_bit.report.reading
    assert reading.num_samples == len(judged)
    assert reading.num_equal == equal >= 0.8 * len(judged)
    assert any(one.confidence != other.confidence for one, other in pairs), "it is another form"


def test_it_describes_itself(student, eight_bit) -> None:
    metadata = {entry.key: entry.value for entry in eight_bit.model.metadata_props}
    spec = type(student.spec).from_metadata(metadata, "it")
    assert spec is not None
    assert replace(spec, provenance={}) == replace(student.spec, provenance={})
    precision = spec.provenance["precision"]
    assert precision["achieved"] == "int8"
    assert precision["reading"]["num_equal"] == eight_bit.report.reading.num_equal


def test_the_same_model_and_lines_give_the_same_bytes(student, eight_bit, rendered) -> None:
    again = quantized(student.model, student, rendered)
    one, other = (made.model.SerializeToString(deterministic=True) for made in (eight_bit, again))
    assert one == other


def test_what_harms_reading_stays_fp32(student, rendered) -> None:
    """One value that dwarfs its neighbours leaves these no steps of the 256; FP32 reads on."""
    model = onnx.ModelProto()
    model.CopyFrom(student.model)
    first, last = [
        node
        for node in model.graph.node
        if node.op_type == "MatMul"
        and node.input[1] in {initializer.name for initializer in model.graph.initializer}
    ][-2:]
    bias = next(node for node in model.graph.node if first.output[0] in node.input)
    offset = next(key for key in bias.input if key != first.output[0])
    for name, place, factor in (
        *((first.input[1], np.s_[:, 0], 3e4), (offset, np.s_[0], 3e4)),
        (last.input[1], np.s_[0], 1 / 3e4),
    ):
        array = numpy_helper.to_array(weight_of(model, name)).copy()
        array[place] *= np.float32(factor)
        weight_of(model, name).CopyFrom(numpy_helper.from_array(array, name))
    made = quantized(model, student, rendered)
    assert made.report.kept, "something had to stay FP32"
    assert first.name in {layer.node for layer in made.report.kept}
    assert made.report.reading.num_equal >= 0.8 * made.report.reading.num_samples
    assert made.report.num_tries > 1


def test_labels_are_counted(student, eight_bit, rendered) -> None:
    """With labels that no form reads nothing can be lost, whatever FP32 reads."""
    wrong = ["no such text"] * len(rendered)
    limits = Limits(max_loss=0.0, min_equal=0.8)
    reading = quantized(student.model, student, rendered, truth=wrong, limits=limits).report.reading
    assert reading.num_labelled == reading.num_samples
    assert reading.num_right == reading.num_right_fp32 == reading.num_lost == 0


@pytest.mark.parametrize(
    ("reading", "is_enough"),
    [
        ({}, True),
        ({"num_equal": 94}, False),
        ({"num_labelled": 100, "num_right_fp32": 90, "num_right": 89}, True),
        ({"num_labelled": 100, "num_right_fp32": 90, "num_right": 88}, False),
        ({"num_labelled": 100, "num_right_fp32": 90, "num_right": 95}, True),
    ],
)
def test_what_is_enough(reading: dict[str, int], is_enough: bool) -> None:
    figures = {"num_samples": 100, "num_equal": 95, "num_labelled": 0, "num_right_fp32": 0}
    figures |= {"num_right": 0, "num_lost": 0, "num_gained": 0, **reading}
    judged = Reading(
        **figures, max_difference=0.0, mean_difference=0.0, samples_from="lines", examples=()
    )
    assert judged.is_within(Limits(max_loss=0.01, min_equal=0.95)) is is_enough


def test_a_form_that_reads_too_badly_is_refused(student, rendered, monkeypatch) -> None:
    tried = []

    def never(reading: Reading, limits: Limits) -> bool:
        tried.append(reading.num_equal)
        return False

    monkeypatch.setattr(Reading, "is_within", never)
    with pytest.raises(ParityError, match=r"no 8-bit form reads well enough.*keep the FP32"):
        quantized(student.model, student, rendered[:8])
    assert len(tried) > 2, "with fewer and fewer nodes in 8 bit"


def test_only_fp32_is_taken(student, eight_bit, rendered) -> None:
    with pytest.raises(ArtifactError, match="8 bit already"):
        quantized(eight_bit.model, student, rendered)
    contract = RecognizerContract(student.spec)
    few = contract.samples(rendered[:8], "lines")
    half = half_model(student.model, contract, few, is_quiet=True)
    with pytest.raises(ArtifactError, match="FP16 already"):
        quantized(half.model, student, rendered)
    with pytest.raises(ArtifactError, match="8-bit, a form for CPUs"):
        half_model(eight_bit.model, contract, few, is_quiet=True)


def test_impossible_limits_and_too_few_lines(student, rendered) -> None:
    with pytest.raises(ConfigError, match="--maxLoss: expected a share"):
        Limits(max_loss=-0.1)
    with pytest.raises(ConfigError, match="--minEqual: expected a share"):
        Limits(min_equal=1.5)
    with pytest.raises(ParityError, match=r"too few images.*got 3"):
        quantized(student.model, student, rendered[:3])


def test_command_with_labels(student, tmp_path, capsys) -> None:
    output = tmp_path / "small.onnx"
    arguments = ["--labels", "images/labels.txt", "--maxLoss", "0.2", "--output", str(output)]
    assert main(["quantize", "--onnx", str(student.path), *arguments]) == 0
    result = json.loads(capsys.readouterr().out)
    reading = result["reading"]
    assert result["source_sha256"] == student.sha256
    assert reading["num_samples"] == reading["num_labelled"] == 10
    assert reading["num_right_fp32"] >= 8
    with Recognizer(output) as recognizer:
        (line,) = recognizer(["images/line_01.jpg"])
    assert line.error is None and line.text


def test_nothing_is_written_when_it_fails(student, tmp_path, capsys) -> None:
    output = tmp_path / "small.onnx"
    arguments = ["--images", "images", "--minEqual", "2", "--output", str(output)]
    assert main(["quantize", "--onnx", str(student.path), *arguments]) == 2
    assert "--minEqual" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
