"""`python -m benchmarks.service` from end to end, short, on a toy model."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.measuring.result import read_result
from benchmarks.service.__main__ import main
from tests.runtime.conftest import toy_spec, write_toy_model


@pytest.mark.slow
def test_the_service_stands_a_load_a_flood_and_a_killed_replica(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    model = write_toy_model(tmp_path / "toy.onnx", spec=toy_spec())
    output = tmp_path / "result.json"
    command = ["--model", str(model), "--images", "images", "--clients", "8", "--minutes", "0.3"]
    command += ["--rounds", "2", "--soak", "500", "--flood-seconds", "3", "--output", str(output)]
    assert main(command) == 0
    result = read_result(output)
    names = {measure.name for measure in result.measures}
    assert {"requests of 1 / share of offline", "flood / recovered after"} <= names
    assert "replicas / memory growth" in names and result.details["images read by then"][-1] >= 500
    assert not result.failures and result.details["killed replica"]["200"] > 0


def test_what_cannot_be_measured_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--model", "missing.onnx", "--images", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("benchmarks.service: cannot measure on") and said.count("\n") == 1
