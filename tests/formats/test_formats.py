"""Files that earlier versions wrote are read: docs/compatibility.md promises it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import runtime
from runtime.detection.session import open_session as open_detector
from runtime.engines.choice.proof import proofs_of
from runtime.engines.sidecar import EngineSidecar
from runtime.infer.__main__ import main
from tests.formats.make import NAMES
from tests.runtime.conftest import toy_spec
from tests.runtime.detection.conftest import toy_spec as toy_detector_spec
from tests.runtime.engines.sidecars import check, made_sidecar

FOLDER = Path(__file__).parent
VERSIONS = sorted(path.name for path in FOLDER.glob("[0-9]*"))


@pytest.fixture(params=VERSIONS)
def written(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A copy of what a version wrote, as the working folder."""
    folder = tmp_path / "written"
    shutil.copytree(FOLDER / str(request.param), folder)
    monkeypatch.chdir(folder)
    return folder


def test_this_version_has_its_files_and_they_are_small() -> None:
    assert runtime.__version__ in VERSIONS
    for version in VERSIONS:
        assert sum(file.stat().st_size for file in (FOLDER / version).rglob("*")) <= 100_000


def test_models_say_what_they_are_and_read(
    written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*NAMES[:2], "--model", "lines.onnx", "--format", "jsonl", "--device", "cpu"]) == 0
    now = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    then = [json.loads(line) for line in Path("lines.jsonl").read_text("utf-8").splitlines()]
    assert [record["text"] for record in now] == [record["text"] for record in then]
    assert all({*before} <= {*after} for before, after in zip(then, now, strict=True))
    with runtime.Recognizer("lines.onnx", device="cpu") as recognizer:
        assert recognizer.spec == toy_spec()
    session = open_detector(Path("boxes.onnx"), "cpu", threads=1)
    assert session.spec == toy_detector_spec()
    session.close()


@pytest.mark.parametrize("name", ["lines.jsonl", "lines.csv"])
def test_a_run_goes_on(written: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = Path(name).read_text(encoding="utf-8")
    arguments = [*NAMES, "--model", "lines.onnx", "--output", name, "--resume", "--quiet"]
    assert main(arguments) == 0
    after = Path(name).read_text(encoding="utf-8")
    assert after.startswith(before) and after.count("\n") == before.count("\n") + 1
    assert NAMES[2] in after[len(before) :]
    assert "begun with other settings" not in capsys.readouterr().err


def test_the_note_of_a_run_tells_other_settings(
    written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy("lines.onnx", "other.onnx")
    assert main([*NAMES, "--model", "other.onnx", "--output", "lines.jsonl", "--resume"]) == 0
    assert "model 'lines.onnx', now 'other.onnx'" in capsys.readouterr().err


def test_found_boxes_go_on(written: Path) -> None:
    arguments = [*NAMES, "--detect-only", "--detector", "boxes.onnx", "--quiet"]
    assert main([*arguments, "--output", "boxes.jsonl", "--resume"]) == 0
    lines = Path("boxes.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["file"] for line in lines] == [*NAMES]


def test_what_stands_beside_a_plan_is_understood(written: Path) -> None:
    sidecar, made = EngineSidecar.read("lines.plan"), made_sidecar()
    # Later versions say more of a model: what is not said has its usual value.
    assert sidecar.spec.items() <= made.spec.items()
    assert replace(sidecar, spec=made.spec) == made
    check(sidecar)


def test_proofs_are_understood(written: Path) -> None:
    (proof,) = proofs_of(written / "lines.onnx")
    assert (proof.engine, proof.precision, proof.num_equal) == ("openvino", "bf16", 99)
