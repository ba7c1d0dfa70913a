"""What would be spared around the network is measured on lines at hand."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="it chooses classes")
pytest.importorskip("onnx", reason="the networks are made with it")

from benchmarks.throughput import glue


def test_both_ways_are_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(glue, "_CLASSES", (9,))
    for name, height in (("low", 40), ("tall", 130)):
        image = np.full((height, 200, 3), 90, np.uint8)
        cv2.imwrite(str(tmp_path / f"{name}.jpg"), image)
    labels = tmp_path / "val.tsv"
    labels.write_text("low.jpg\ta\ntall.jpg\tb\n", encoding="utf-8")
    assert glue.main(["--labels", str(labels), "--heights", "32"]) == 0
    out = capsys.readouterr().out
    assert "40 steps of 9 classes: NumPy" in out
    assert "2 JPEG lines for 32 px: 1 at least twice as high" in out
