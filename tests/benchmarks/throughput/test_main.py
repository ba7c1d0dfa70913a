from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks.throughput.__main__ import bundled_model, main
from benchmarks.throughput.cold_start import measure_cold_start
from runtime.errors import OcrError

pytest.importorskip("rapidocr", reason="it is the peer")
IMAGES = Path(__file__).parents[3] / "images"


def test_both_read_the_same_pixels_with_the_same_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "result.json"
    arguments = ["--images", str(IMAGES), "--count", "4", "--rounds", "1", "--cold-starts", "0"]
    assert main([*arguments, "--output", str(output)]) == 0
    result = json.loads(output.read_text())
    contenders = result["contenders"]
    assert set(contenders) == {"ours", "rapidocr"}
    last = [one["last_round"] for one in contenders.values()]
    assert last[0]["inputs_sha256"] == last[1]["inputs_sha256"]
    assert all(one["lines"] == 4 and 0 < one["network_share"] <= 1 for one in last)
    assert contenders["rapidocr"]["ratio"] == 1
    assert "x rapidocr" in capsys.readouterr().out


def test_what_cannot_be_measured_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--images", str(tmp_path)]) == 2
    assert "expected a label file" in capsys.readouterr().err
    with pytest.raises(OcrError, match="pip install nosuchpeer"):
        bundled_model("nosuchpeer")


def test_a_cold_start_that_fails_is_told(tmp_path: Path) -> None:
    good, bad = [sys.executable, "-c", ""], [sys.executable, "-c", "raise SystemExit('broken')"]
    measured = measure_cold_start({"ours": good, "peer": good}, 2, tmp_path, "peer")
    assert [len(each) for each in measured["seconds_each"].values()] == [2, 2]
    with pytest.raises(OcrError, match="status 1: broken"):
        measure_cold_start({"ours": good, "peer": bad}, 1, tmp_path, "peer")
