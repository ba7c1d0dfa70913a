"""Checkpoint to verified student.onnx, read back by the runtime."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from export import chain
from export.chain import export_network
from export.verify import Parity, compare, comparison_lines, onnx_probabilities, require
from runtime.errors import ParityError
from runtime.recognizer import Recognizer
from runtime.spec import RecognizerSpec

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def exported(small_config, checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    return folder, export_network(small_config, checkpoint, "Student", folder)


def test_files_are_named_after_the_network(exported):
    folder, result = exported
    assert sorted(file.name for file in folder.iterdir()) == ["student.onnx", "student.pdparams"]
    assert result["onnx"] == str(folder / "student.onnx")
    assert result["parity"]["num_equal_texts"] == result["parity"]["num_lines"] == 64
    assert result["parity"]["max_difference"] <= 1e-5


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
        value.name: [one.dim_param or one.dim_value for one in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {"x": ["N", 3, 32, "W"], "probabilities": ["N", "T", 12]}


def test_the_same_checkpoint_gives_the_same_bytes(exported, small_config, checkpoint, tmp_path):
    export_network(small_config, checkpoint, "Student", tmp_path)
    for name in ("student.onnx", "student.pdparams"):
        assert (tmp_path / name).read_bytes() == (exported[0] / name).read_bytes()


def test_nothing_is_written_when_the_forms_disagree(
    small_config, checkpoint, tmp_path, monkeypatch
):
    def shifted(model, spec):
        run = onnx_probabilities(model, spec)
        return lambda batch: run(batch) + np.float32(1e-3)

    monkeypatch.setattr(chain, "onnx_probabilities", shifted)
    with pytest.raises(ParityError, match="nothing was written"):
        export_network(small_config, checkpoint, "Student", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_difference_in_text_alone_is_a_disagreement():
    require(Parity(4, 4, 1e-6, "lines"), "a and b")
    with pytest.raises(ParityError, match="3 of 4 texts"):
        require(Parity(4, 3, 0.0, "lines"), "a and b")
    with pytest.raises(ParityError, match=r"nan|inf"):
        require(Parity(4, 4, float("inf"), "lines"), "a and b")


def test_nan_is_a_difference():
    spec = RecognizerSpec(characters=("a",))
    shape = (1, 8, 2)
    lines = [np.zeros((32, 32, 3), np.uint8)]
    parity = compare(
        lambda batch: np.zeros(shape, np.float32),
        lambda batch: np.full(shape, np.nan, np.float32),
        spec,
        lines,
        "lines",
    )
    assert parity.max_difference == np.inf


def test_the_runtime_reads_what_was_exported(exported, tmp_path):
    lines, _ = comparison_lines((), RecognizerSpec(characters=tuple("0123456789 ")).charset)
    paths = []
    for number, line in enumerate(lines[:8]):
        paths.append(tmp_path / f"{number}.png")
        cv2.imwrite(str(paths[-1]), line)
    with Recognizer(exported[0] / "student.onnx", device="cpu") as recognizer:
        together = recognizer(paths)
        alone = [recognizer([path])[0] for path in paths]
    assert any(one.text for one in together)
    for one, other in zip(together, alone, strict=True):
        assert one.text == other.text
        assert one.confidence == pytest.approx(other.confidence, abs=1e-6)


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="real lines are not beside the project")
def test_paddle_and_onnx_agree_on_200_real_lines(small_config, checkpoint, tmp_path):
    paths = [
        *sorted((SHARED_DATA / "ic15_words" / "images").iterdir())[:100],
        *sorted((SHARED_DATA / "sroie_receipts" / "images").iterdir())[:100],
    ]
    parity = export_network(small_config, checkpoint, "Student", tmp_path, paths)["parity"]
    assert parity["num_lines"] == parity["num_equal_texts"] == 200
    assert parity["max_difference"] <= 1e-5


def test_the_command_line_says_in_one_line_what_is_wrong(tmp_path):
    command = [sys.executable, "-m", "export", "-c", "configs/demo.yml", "--output-dir"]
    missing = [*command, str(tmp_path), "--checkpoint", str(tmp_path / "nothing")]
    result = subprocess.run(missing, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    (line,) = [one for one in result.stderr.splitlines() if "ccache" not in one and one[0] != " "]
    assert "no checkpoint" in line
    assert not list(tmp_path.iterdir())


def test_the_command_line_ends_in_one_json_line(small_config, checkpoint, tmp_path):
    command = [sys.executable, "-m", "export", "--config", str(small_config.path)]
    command += ["--checkpoint", str(checkpoint), "--output-dir", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[-1])["network"] == "Student"
    assert (tmp_path / "student.onnx").is_file()
