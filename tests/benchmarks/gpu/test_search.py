"""The fastest way to find convolutions is chosen among those that read rightly, and kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.gpu import search
from benchmarks.gpu.reading import Reading
from benchmarks.gpu.search import keep_fastest
from runtime.engines import conv_search, kept
from runtime.engines.conv_search import chosen_search
from runtime.errors import EngineError

onnxruntime = pytest.importorskip("onnxruntime", reason="its version is kept")

TEXTS = ("a", "b", "c", "d")
READINGS = {
    "HEURISTIC": Reading(TEXTS, 1.0, (4.0, 4.0), ""),
    "DEFAULT": Reading(TEXTS, 1.5, (8.0, 8.0), ""),
    "EXHAUSTIVE": Reading(TEXTS, 60.0, (9.0, 9.0), ""),
}


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for module in (search, conv_search):
        monkeypatch.setattr(module, "gpu_name", lambda device_id: "NVIDIA L4")
    path = tmp_path / "student.onnx"
    path.write_bytes(b"a model")
    return path


def test_the_least_time_over_all_passes_is_kept(model: Path) -> None:
    said = keep_fastest(model, READINGS, 0)
    assert "DEFAULT is fastest" in said and f"{model}.search.json" in said
    assert chosen_search(model, onnxruntime.__version__, 0) == "DEFAULT"


def test_what_cannot_be_chosen_or_kept_is_told(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EngineError, match="expected two that read as the CPU does, got 1"):
        keep_fastest(model, {"DEFAULT": READINGS["DEFAULT"]}, 0)

    def refuse(path: Path, data: bytes) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(kept, "write_atomically", refuse)
    with pytest.raises(EngineError, match=r"Read-only.*set DISTILREC_CUDNN_SEARCH=DEFAULT instead"):
        keep_fastest(model, READINGS, 0)
    monkeypatch.setattr(search, "gpu_name", lambda device_id: "")
    with pytest.raises(EngineError, match="does not tell the GPU's name"):
        keep_fastest(model, READINGS, 0)
