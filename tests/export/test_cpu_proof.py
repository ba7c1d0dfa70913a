"""Proofs of models on the CPU: made from reading, kept beside the model, taken by the runtime."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from export.__main__ import DISAGREE, DONE, NOTHING_DONE, main
from export.cpu_proof import as_words
from export.detection.readings import PageReading
from export.proof.compare import Agreement, ComparedSample
from export.quantization.report import Reading
from runtime import Recognizer
from runtime.cpu import cpu_kind
from runtime.engines.choice.proof import proofs_of, proofs_path
from runtime.engines.choice.speed import FOLDER_VARIABLE
from runtime.recognition.preprocess import Image
from tests.fakes.eight_bit_toy import write_eight_bit
from tests.runtime.conftest import toy_spec, write_toy_model
from tests.runtime.detection.conftest import toy_spec as detector_spec
from tests.runtime.detection.conftest import write_toy_detector

pytest.importorskip("openvino", reason="it is what is proven: pip install openvino")
pytestmark = pytest.mark.skipif(cpu_kind() is None, reason="the kind of this CPU is unknown")


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "cache"))
    return write_toy_model(tmp_path / "toy.onnx", spec=toy_spec())


@pytest.fixture
def lines(tmp_path: Path) -> list[str]:
    rng = np.random.default_rng(2)
    paths = []
    for number in range(12):
        pixels: Image = rng.integers(0, 256, (32, 40 + 9 * number, 3), dtype=np.uint8)
        paths.append(str(tmp_path / f"line{number}.png"))
        cv2.imwrite(paths[-1], pixels)
    return paths


def prove(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict]:
    status = main(["prove-cpu", *map(str, arguments)])
    printed = capsys.readouterr().out
    return status, json.loads(printed) if printed else {}


def test_what_reads_the_same_is_proven_and_then_taken(model: Path, lines, capsys) -> None:
    status, told = prove(capsys, model, "--precision", "fp32", "--images", *lines)
    assert status == DONE and told["passed"]
    (way,) = told["ways"]
    assert (way["num_equal"], way["num_samples"], way["proven"]) == (12, 12, True)
    assert way["max_difference"] < 1e-5 and way["cpu_seconds"] > 0
    (proof,) = proofs_of(model)
    assert (proof.engine, proof.precision, proof.cpu) == ("openvino", "fp32", cpu_kind())
    with Recognizer(model, device="openvino") as ours, Recognizer(model, device="cpu") as usual:
        assert [line.text for line in ours(lines)] == [line.text for line in usual(lines)]


def test_what_reads_otherwise_is_not_and_an_earlier_proof_goes(model: Path, lines, capsys) -> None:
    form = write_eight_bit(model)
    assert (
        prove(capsys, model, "--precision", "int8", "--images", *lines, "--minEqual", 0)[0] == DONE
    )
    assert {proof.engine for proof in proofs_of(model)} == {"onnxruntime", "openvino"}
    assert all(proof.form == form.name for proof in proofs_of(model))
    # Another network in the place of the form reads otherwise.
    other = write_toy_model(
        model.with_name("other.onnx"), poisoned=False, input_shape=("N", 3, 32, "W")
    )
    spoil(other, model)
    write_eight_bit(other, form, source_sha256=hash_of(model))
    status, told = prove(capsys, model, "--precision", "int8", "--images", *lines)
    assert status == DISAGREE and not told["passed"]
    assert all(way["examples"] for way in told["ways"])
    assert list(proofs_of(model)) == []


def spoil(path: Path, model: Path) -> None:
    """Turn the weights of a toy network round."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(model)
    (weights,) = (
        initializer for initializer in graph.graph.initializer if initializer.name == "weights"
    )
    turned = np.ascontiguousarray(numpy_helper.to_array(weights)[::-1])
    weights.CopyFrom(numpy_helper.from_array(turned, "weights"))
    onnx.save(graph, path)


def hash_of(path: Path) -> str:
    from runtime.files import sha256_of_file

    return sha256_of_file(path)


def test_labels_bring_images_and_the_truth(model: Path, lines, capsys, tmp_path: Path) -> None:
    with Recognizer(model, device="cpu") as recognizer:
        texts = [line.text for line in recognizer(lines)]
    labels = tmp_path / "labels.txt"
    labels.write_text(
        "".join(f"{Path(path).name}\t{text}\n" for path, text in zip(lines, texts, strict=True))
    )
    status, told = prove(capsys, model, "--precision", "fp32", "--labels", labels, "--count", 5)
    assert status == DONE
    (way,) = told["ways"]
    assert (way["num_labelled"], way["num_right"], way["num_lost"]) == (5, 5, 0)


def test_a_detector_is_proven_by_its_boxes(tmp_path: Path, capsys) -> None:
    model = write_toy_detector(tmp_path / "detector.onnx", spec=detector_spec())
    page = np.zeros((96, 160, 3), np.uint8)
    page[40:60, 20:130] = 255
    cv2.imwrite(str(tmp_path / "page.png"), page)
    arguments = (model, "--precision", "fp32", "--images", tmp_path / "page.png")
    status, told = prove(capsys, *arguments)
    assert status == DONE and told["ways"][0]["num_equal"] == 1


def test_pages_that_differ_are_told_by_their_boxes() -> None:
    box = ((0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0))
    pages = [PageReading((box,)), PageReading((box, box))]
    sample = ComparedSample(0, *pages, difference=0.5)
    reading = Reading.of(Agreement((sample,), "a page"), [None])
    assert as_words(reading) == [["1 box", "2 boxes"]]
    json.dumps(as_words(reading))


@pytest.mark.parametrize("arguments", [("--minEqual", "2"), ("--precision", "int8")])
def test_what_cannot_be_done_writes_nothing(model: Path, lines, capsys, arguments) -> None:
    assert prove(capsys, model, "--images", *lines, *arguments)[0] == NOTHING_DONE
    assert not proofs_path(model).exists()
    assert prove(capsys, model.with_name("none.onnx"))[0] == NOTHING_DONE
