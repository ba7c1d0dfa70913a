from pathlib import Path

import pytest

from runtime.errors import ArtifactError, EngineError
from runtime.recognition.session import open_session


def test_a_plan_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for suffix in (".plan", ".engine"):
        with pytest.raises(ArtifactError, match="there is no such file; give an ONNX file or a"):
            open_session(tmp_path / f"student{suffix}")


def test_a_plan_without_its_sidecar_is_refused(tmp_path: Path) -> None:
    for suffix in (".plan", ".ENGINE"):
        plan = tmp_path / f"student{suffix}"
        plan.write_bytes(b"plan")
        with pytest.raises(ArtifactError, match="what the plan is cannot be told"):
            open_session(plan)
        with pytest.raises(EngineError, match="runs on a GPU only"):
            open_session(plan, device="cpu")


@pytest.mark.parametrize("name", ["student.pdparams", "student"])
def test_an_unknown_suffix_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArtifactError, match=r"unknown kind of model: expected .*\.onnx"):
        open_session(tmp_path / name)


def test_a_missing_model_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="there is no such file"):
        open_session(tmp_path / "none.onnx")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(ArtifactError, match="it is a folder"):
        open_session(tmp_path / "folder.onnx")


def test_impossible_settings_are_refused(toy_path: Path) -> None:
    with pytest.raises(
        EngineError, match="'tpu': expected one of auto, cpu, openvino, cuda, tensorrt"
    ):
        open_session(toy_path, device="tpu")
    with pytest.raises(EngineError, match="at least 1, got 0"):
        open_session(toy_path, threads=0)


def test_an_onnx_file_is_no_plan_for_tensorrt(toy_path: Path) -> None:
    with pytest.raises(EngineError, match=r"expected a \.plan.*python -m export build --onnx"):
        open_session(toy_path, device="tensorrt")
