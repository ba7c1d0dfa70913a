"""A network is built, runs lines and is told with its memory; what is no config is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.families.__main__ import main, shipped


def test_every_shipped_recogniser_is_measured_by_default() -> None:
    names = [path.stem for path in shipped()]
    assert len(names) == len(set(names)) == 12
    assert {"ch_PP-OCRv2_rec", "PP-OCRv6_tiny_rec", "SVTRv2_rec"} <= set(names)


def test_speed_memory_and_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny = next(path for path in shipped() if path.stem == "PP-OCRv6_tiny_rec")
    broken = tmp_path / "broken_rec.yml"
    broken.write_text("Architecture: {}\n", encoding="utf-8")
    result = tmp_path / "families.json"
    words = ["--configs", str(tiny), str(broken), "--lines", "2", "--rounds", "1"]
    assert main([*words, "--output", str(result)]) == 1
    assert "PP-OCRv6_tiny_rec" in capsys.readouterr().out
    read = json.loads(result.read_text(encoding="utf-8"))
    values = {figure["name"].split(" / ", 1)[1]: figure["value"] for figure in read["measures"]}
    assert values["PP-OCRv6_tiny_rec / speed"] > 0
    assert 20 < values["PP-OCRv6_tiny_rec / peak memory"] < 2000
    assert 4 < values["PP-OCRv6_tiny_rec / file"] < 5
    assert [failure["what"] for failure in read["failures"]] == ["broken_rec"]


def test_no_such_config(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--configs", "nowhere.yml"]) == 2
    assert "no such config: nowhere.yml" in capsys.readouterr().err
