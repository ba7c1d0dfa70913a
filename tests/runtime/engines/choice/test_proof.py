"""Proofs hold for the model, the engine, its version and the kind of CPU, and for nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.engines.choice.proof import proofs_of, proofs_path
from runtime.errors import ArtifactError
from runtime.files import sha256_of_file
from tests.fakes.eight_bit_toy import write_eight_bit


def test_it_holds_where_it_was_made(model: Path, prove) -> None:
    made = prove()
    assert list(proofs_of(model)) == [made]
    assert made.refusal(model, sha256_of_file(model)) == ""
    assert proofs_path(model).name == "student.onnx.cpu.json"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model_sha256": "1" * 64}, "proven of another model"),
        ({"cpu": "x86_64: avx2"}, "proven on another kind of CPU: x86_64: avx2"),
        ({"version": "2026.3.0"}, "proven with openvino 2026.3.0, here is 2026.4.1"),
        ({"form": "other.onnx"}, "other.onnx beside it is missing, or another file"),
    ],
)
def test_elsewhere_it_does_not(model: Path, prove, changes: dict[str, str], reason: str) -> None:
    assert reason in prove(**changes).refusal(model, sha256_of_file(model))


def test_of_an_8_bit_form_that_was_made_anew(model: Path, prove) -> None:
    form = write_eight_bit(model)
    made = prove(form=form.name, engine="onnxruntime", precision="int8")
    assert made.refusal(model, sha256_of_file(model)) == ""
    form.write_bytes(form.read_bytes() + b"\0")
    assert "another file than the one proven" in made.refusal(model, sha256_of_file(model))


@pytest.mark.parametrize(
    "changes",
    [
        {"form": "../student.onnx"},
        {"form": "/etc/passwd"},
        {"engine": "another"},
        {"precision": "fp8"},
        {"num_samples": 0},
        {"model_sha256": "no hash"},
    ],
)
def test_what_is_impossible_is_refused(prove, changes: dict[str, object]) -> None:
    with pytest.raises(ArtifactError, match="impossible proof"):
        prove(**changes)
