"""Checkpoint to verified student.onnx, read back by the runtime."""

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from export.chain import ExportOptions, Source, convert_network, export_network
from export.proof import prove as proof
from export.proof.forms import run_of_onnx
from export.recognition.samples import rendered_lines
from runtime.errors import ConfigError, ParityError
from runtime.recognition.recognizer import Recognizer
from runtime.recognition.spec import RecognizerSpec
from training.config import load_config


def test_files_are_named_after_the_network(exported):
    folder, result = exported
    files = sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
    assert files == [
        "student.onnx",
        "student.pdparams",
        "student/inference.json",
        "student/inference.pdiparams",
        "student/inference.yml",
    ]
    assert result["onnx"] == str(folder / "student.onnx")
    assert result["parity"]["num_equal"] == result["parity"]["num_samples"] == 64
    assert result["parity"]["max_difference"] <= 1e-5
    assert result["parity"]["num_equal_decisions"] == result["parity"]["num_decisions"] > 64
    rounding = result["parity"]["rounding"]
    assert (rounding["num_samples"], rounding["num_draws"]) == (64, 5)
    assert rounding["typical"] < 2 and rounding["worst"] < 8


def test_the_model_describes_itself(exported, small_config):
    folder, result = exported
    model = onnx.load(folder / "student.onnx")
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    spec = RecognizerSpec.from_metadata(metadata, "test")
    assert spec is not None
    assert spec.characters == tuple("0123456789 ")
    assert (spec.height, spec.network) == (32, "Student")
    assert spec.weights_sha256 == result["weights_sha256"]
    assert spec.config_sha256 == small_config.sha256
    assert spec.provenance["parity"] == result["parity"]
    assert metadata["character"] == "\n".join("0123456789")


def test_the_graph_is_clean(exported):
    model = onnx.load(exported[0] / "student.onnx")
    kinds = {node.op_type for node in model.graph.node}
    assert not kinds & {"BatchNormalization", "Identity", "Constant", "If", "Dropout"}
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}
    assert model.opset_import[0].version == 14
    shapes = {
        value.name: [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {"x": ["N", 3, 32, "W"], "probabilities": ["N", "T", 12]}


def test_the_same_checkpoint_gives_the_same_bytes(exported, small_config, checkpoint, tmp_path):
    export_network(Source(small_config, checkpoint, "Student"), tmp_path, ExportOptions())
    for name in ("student.onnx", "student.pdparams"):
        assert (tmp_path / name).read_bytes() == (exported[0] / name).read_bytes()


def test_nothing_is_written_when_the_forms_disagree(
    small_config, checkpoint, tmp_path, monkeypatch
):
    def shifted(model, spec):
        run = run_of_onnx(model, spec)
        return lambda batch: run(batch) + np.float32(1e-3)

    monkeypatch.setattr(proof, "run_of_onnx", shifted)
    with pytest.raises(ParityError, match="nothing was written"):
        source = Source(small_config, checkpoint, "Student")
        export_network(source, tmp_path / "out", ExportOptions())
    assert not (tmp_path / "out").exists()


def test_the_runtime_reads_what_was_exported(exported, tmp_path):
    lines, _ = rendered_lines(RecognizerSpec(characters=tuple("0123456789 ")).charset)
    paths = []
    for number, line in enumerate(lines[:8]):
        paths.append(tmp_path / f"{number}.png")
        cv2.imwrite(str(paths[-1]), line)
    with Recognizer(exported[0] / "student.onnx", device="cpu") as recognizer:
        together = recognizer(paths)
        alone = [recognizer([path])[0] for path in paths]
    assert any(result.text for result in together)
    for one, other in zip(together, alone, strict=True):
        assert one.text == other.text
        assert one.confidence == pytest.approx(other.confidence, abs=1e-6)


def test_paddle_and_onnx_agree_on_500_real_lines(real_crops, tmp_path):
    source = Source(load_config(Path("configs/small.yml")), "weights/small_start", "Student")
    parity = convert_network(source, tmp_path, ExportOptions(images=real_crops))["parity"]
    assert parity["num_samples"] == parity["num_equal"] == len(real_crops) >= 500
    assert parity["max_difference"] <= 1e-4
    assert parity["rounding"]["typical"] < 2


@pytest.mark.parametrize(("batch_size", "width_px"), [(1, None), (4, 128)])
def test_a_fixed_shape_reads_the_same(
    small_config, checkpoint, exported, tmp_path, batch_size, width_px
):
    options = ExportOptions(batch_size=batch_size, width_px=width_px)
    source = Source(small_config, checkpoint, "Student")
    result = convert_network(source, tmp_path, options)
    assert list(tmp_path.iterdir()) == [tmp_path / "student.onnx"]
    model = onnx.load(result["onnx"])
    shape = [
        size.dim_param or size.dim_value for size in model.graph.input[0].type.tensor_type.shape.dim
    ]
    assert shape == [batch_size or "N", 3, 32, width_px or "W"]
    lines, _ = rendered_lines(RecognizerSpec(characters=tuple("0123456789 ")).charset)
    # Squeezed into a fixed width a line reads as it does when squeezed by hand.
    if width_px is not None:
        lines = [cv2.resize(line, (width_px, 32)) for line in lines]
    with (
        Recognizer(tmp_path / "student.onnx", device="cpu") as fixed,
        Recognizer(exported[0] / "student.onnx", device="cpu") as free,
    ):
        assert [reading.text for reading in fixed(lines)] == [
            reading.text for reading in free(lines)
        ]


def test_impossible_options_are_told_before_anything_runs():
    for options in ({"opset": 9}, {"batch_size": 0}, {"width_px": -1}):
        with pytest.raises(ConfigError, match="expected"):
            ExportOptions(**options)


def test_another_opset_converts_too(small_config, checkpoint, tmp_path):
    opset = 11
    source = Source(small_config, checkpoint, "Student")
    convert_network(source, tmp_path, ExportOptions(opset=opset))
    assert onnx.load(tmp_path / "student.onnx").opset_import[0].version == opset
