"""What a model or an engine says of itself."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnx import helper

from export.inspection import described
from export.recognition.inference_yml import inference_yml
from runtime.engines.sidecar import EngineSidecar
from runtime.engines.sidecar_fields import Binding
from runtime.engines.tensors import ShapeRange
from runtime.errors import ArtifactError
from runtime.recognition.spec import RecognizerSpec
from tests.fakes.foreign_model import LISTED, write_foreign_model
from tests.runtime.conftest import CHARACTERS, toy_spec, write_toy_model

PARITY = {"num_lines": 64, "max_difference": 2.5e-7}


def rows(text: str) -> dict[str, str]:
    """Label -> value; labels end before two spaces."""
    told = {}
    for line in text.splitlines()[1:]:
        assert line.startswith("  ") and line.strip(), line
        told[line[2:22].strip()] = line[22:].strip()
    return told


def test_a_described_model_tells_its_whole_spec(tmp_path: Path) -> None:
    spec = replace(
        toy_spec(network="Student", weights_sha256="ab" * 32),
        provenance={"opset": 14, "versions": {"onnx": "1.17.0"}, "parity": PARITY},
    )
    path = write_toy_model(tmp_path / "student.onnx", spec=spec)
    text = described(path)
    told = rows(text)
    assert text.splitlines()[0] == str(path)
    assert told["described by"] == "its own spec"
    assert told["characters"] == f"{len(CHARACTERS)}: {''.join(CHARACTERS)}".strip()
    assert (told["height"], told["network"], told["color_order"]) == ("32", "Student", "BGR")
    assert told["width"] == "step_px 32, min_px 32, max_px 640"
    assert told["weights_sha256"] == "ab" * 32
    assert set(told["parity"].split(", ")) == {"num_lines 64", "max_difference 2.5e-07"}
    assert told["versions"] == "onnx 1.17.0"
    assert told["x"] == "[N, 3, 32, W]"
    assert told["probabilities"] == f"[N, T, {len(CHARACTERS) + 1}]"
    assert told["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert told["nodes"].startswith("5: ") and "Conv 1" in told["nodes"]
    assert told["blank_index"] == "0", "a zero is a value too"
    assert "config_sha256" not in told, "what is unknown has no row"


def test_opset_and_ir_version_are_told(tmp_path: Path) -> None:
    path = write_toy_model(tmp_path / "student.onnx", spec=toy_spec())
    model = onnx.load(path)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, path)
    told = rows(described(path))
    assert told["opset"] == "ai.onnx 17, com.microsoft 1; IR version 8"


def test_a_model_from_outside_is_told_apart(tmp_path: Path) -> None:
    path = write_toy_model(
        tmp_path / "rapid.onnx",
        metadata={"character": "\n".join(CHARACTERS[:-1])},
        input_shape=(1, 3, 32, 100),
        softmax=False,
    )
    told = rows(described(path))
    assert told["described by"] == "what can be told from outside"
    assert told["characters"].startswith(f"{len(CHARACTERS)}: abc")
    assert told["x"] == "[1, 3, 32, 100]"
    assert told["width"] == "step_px 100, min_px 100, max_px 100"
    assert told["output_activation"] == "none"


def test_a_dictionary_or_inference_yml_help_a_model_without_characters(tmp_path: Path) -> None:
    path = write_toy_model(tmp_path / "bare.onnx")
    with pytest.raises(ArtifactError, match=r"does not carry its characters.*--dictionary"):
        described(path)
    dictionary = tmp_path / "dict.txt"
    dictionary.write_text(
        "".join(f"{character}\n" for character in CHARACTERS[:-1]), encoding="utf-8"
    )
    with_dictionary = described(path, dictionary)
    (tmp_path / "inference.yml").write_text(inference_yml(toy_spec()), encoding="utf-8")
    assert described(path) == with_dictionary
    assert rows(with_dictionary)["characters"].startswith(f"{len(CHARACTERS)}: abc")


def test_what_cannot_be_inspected_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such file"):
        described(tmp_path / "none.onnx")
    (tmp_path / "model.pdparams").write_bytes(b"weights")
    with pytest.raises(ArtifactError, match="expected an ONNX file"):
        described(tmp_path / "model.pdparams")
    (tmp_path / "damaged.onnx").write_bytes(b"not a model")
    with pytest.raises(ArtifactError, match=r"damaged\.onnx"):
        described(tmp_path / "damaged.onnx")


@pytest.mark.parametrize("suffix", [".plan", ".engine", ".PLAN"])
def test_an_engine_is_told_from_its_sidecar_without_being_loaded(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"student{suffix}"
    path.write_bytes(b"an engine")
    with pytest.raises(ArtifactError, match=rf"student{suffix}.json beside it, got no such file"):
        described(path)
    EngineSidecar(
        task="rec",
        spec=toy_spec(network="Student").as_json(),
        plan_sha256="1" * 64,
        onnx_sha256="2" * 64,
        graph_sha256="3" * 64,
        library="tensorrt",
        library_version="10.16.1",
        profiles=({"pixels": ShapeRange((1, 32, 32, 3), (8, 32, 160, 3), (16, 32, 320, 3))},),
        bindings=(Binding("pixels", "uint8", (-1, 32, -1, 3), "input"),),
        rebuild_command="python -m export build --onnx student.onnx",
        compute_capability="8.9",
        precision={"asked": "fp16", "achieved": "mixed"},
    ).write(path)
    told = rows(described(path))
    assert told["characters"].startswith(f"{len(CHARACTERS)}: abc")
    assert told["network"] == "Student"
    assert (told["library"], told["library_version"]) == ("tensorrt", "10.16.1")
    assert told["precision"] == "asked fp16, achieved mixed"
    assert told["compute_capability"] == "8.9"
    assert "320" in told["profiles"]
    assert told["rebuild_command"] == "python -m export build --onnx student.onnx"
    assert "gpu_name" not in told


def test_a_network_of_another_form_is_told(tmp_path: Path) -> None:
    told = described(write_foreign_model(tmp_path / "m.onnx", layout="TNK"))
    assert "network as it is     [T, N, K], blank first; see export adopt" in told
    assert "network as it is" not in described(write_foreign_model(tmp_path / "usual.onnx"))


def test_what_is_told_is_printable(tmp_path: Path) -> None:
    spec = RecognizerSpec(
        ("a", "\x1b[2J", "\u3000", *LISTED[3:]),
        input_name="image",
        output_name="scores",
        provenance={"by": "\r\x07"},
    )
    told = described(write_foreign_model(tmp_path / "m.onnx", metadata=spec.to_metadata()))
    assert r"a\x1b[2J\u3000defg" in told and r"\r\x07" in told
    assert all(line.isprintable() for line in told.split("\n"))
