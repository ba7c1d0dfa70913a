"""A toy model, proofs beside it, and a cache folder of the test's own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.engines.choice import choose, proof, speed
from runtime.engines.choice.proof import CpuProof, proofs_of
from runtime.engines.choice.speed import FOLDER_VARIABLE
from runtime.files import sha256_of_file

VERSIONS = {"onnxruntime": "1.32.0", "openvino": "2026.4.1"}
CPU = "x86_64: avx2 avx512_bf16"


@pytest.fixture
def model(toy_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model on a machine with both engines, of a known kind of CPU."""
    versions = dict(VERSIONS)
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "cache"))
    for module in (choose, proof):
        monkeypatch.setattr(module, "version_of", versions.get)
    for module in (proof, speed):
        monkeypatch.setattr(module, "cpu_kind", lambda: CPU)
    folder = tmp_path / "model"
    folder.mkdir()
    return Path(shutil.copy(toy_path, folder / "student.onnx"))


Prove = Callable[..., CpuProof]


@pytest.fixture
def prove(model: Path) -> Prove:
    """Writes a proof beside the model; of bf16 in OpenVINO unless told otherwise."""

    def write(**changes: object) -> CpuProof:
        form = model.parent / str(changes.get("form", model.name))
        fields = {
            "model_sha256": sha256_of_file(model),
            "form": form.name,
            "form_sha256": sha256_of_file(form) if form.is_file() else "0" * 64,
            "engine": "openvino",
            "version": VERSIONS.get(str(changes.get("engine", "openvino")), "1.0"),
            "precision": "bf16",
            "cpu": CPU,
            "num_samples": 500,
            "num_equal": 500,
            "samples_from": "500 images",
            "judged": "500 of 500 read the same",
        }
        made = CpuProof(**{**fields, **changes})  # type: ignore[arg-type]
        proofs_of(model).keep(made)
        return made

    return write
