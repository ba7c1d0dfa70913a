"""A second task is exported, made FP16 and 8-bit, built, proven and read by its contract alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.chain import ExportOptions, Source, export_network
from export.commands.precision import convert_file
from export.contract import CONTRACTS, Contracts
from export.conversion.model_file import read_model
from export.engine.build import build_plan
from export.engine.chain import EngineRequest, build_engine
from export.inspection import described
from export.proof.report import VerifyOptions, verify
from export.quantization import Limits, eight_bit_model
from runtime.engines import open_engine
from runtime.engines.sidecar import EngineSidecar
from runtime.engines.tensorrt.library import TensorRtLibrary
from runtime.errors import ArtifactError
from runtime.recognition.session import open_session
from tests.fakes.brightness import (
    BrightnessContract,
    BrightnessSpec,
    BrightnessTask,
    LightMeter,
    SquareBatch,
    write_config,
)
from tests.fakes.cuda import FakeCuda
from tests.fakes.tensorrt import fake_tensorrt
from training.config import load_config
from training.tasks import TASKS
from training.train import train

GREY = np.stack([np.full((32, 32, 3), level, np.uint8) for level in range(0, 250, 25)])


@pytest.fixture(autouse=True)
def brightness(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of the second task in both tables, and nothing else."""
    monkeypatch.setitem(TASKS, "brightness", BrightnessTask)
    row = Contracts(
        BrightnessSpec, BrightnessContract, ("tests.fakes.brightness", "TrainedBrightness")
    )
    monkeypatch.setitem(CONTRACTS, "brightness", row)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Folder and result of an export, after some epochs."""
    with pytest.MonkeyPatch.context() as patch:
        brightness.__wrapped__(patch)  # type: ignore[attr-defined]
        folder = tmp_path_factory.mktemp("brightness")
        config = load_config(write_config(folder), ["Global.epoch_num=8"])
        train(config)
        source = Source(config, folder / "out" / "latest", "Student")
        options = ExportOptions(triton=folder / "triton")
        return folder, export_network(source, folder / "export", options)


def test_it_is_stripped_converted_proven_and_described(exported: Any) -> None:
    folder, result = exported
    assert result["parity"]["num_equal"] == result["parity"]["num_samples"] == 16
    assert result["parity"]["rounding"]["typical"] < 4
    assert (folder / "export" / "student" / "meter.txt").read_text() == "light meter\n"
    assert (folder / "triton" / "student" / "1" / "model.onnx").is_file()
    told = described(Path(result["onnx"]))
    assert "brightness" in told and "side_px" in told
    with pytest.raises(ArtifactError):
        open_session(result["onnx"])  # as a recogniser


def test_the_runtime_reads_it_with_a_session_on_an_engine(exported: Any) -> None:
    meter = LightMeter(open_engine(exported[1]["onnx"], device="cpu", threads=1))
    read = meter.read(GREY)
    assert read.shape == (len(GREY),) and np.isfinite(read).all() and np.ptp(read) > 0
    meter.close()


def test_fp16_and_8_bit_forms_are_proven_and_verified(exported: Any, tmp_path: Path) -> None:
    onnx = Path(exported[1]["onnx"])
    half = tmp_path / "student_fp16.onnx"
    report = convert_file(onnx, half, ())
    assert report["achieved"] in ("fp16", "mixed") and report["agreement"]["num_equal"] == 16
    source, contract = read_model(onnx), BrightnessContract(BrightnessSpec())
    contract = BrightnessContract(source.spec)  # type: ignore[arg-type]
    samples = contract.samples(*contract.rendered())
    made = eight_bit_model(source.model, contract, samples, limits=Limits(1.0, 0.0), is_quiet=True)
    assert made.report.num_eight_bit > 0 and made.spec.task == "brightness"
    labels = exported[0] / "labels.txt"
    images = sorted(exported[0].glob("[0-9].png"))
    verified = verify(VerifyOptions([onnx, half], images=images, labels=labels))
    assert verified["comparisons"][0]["num_samples"] == 8
    assert set(verified["accuracy"]["forms"][str(onnx)]) == {"share"}


@pytest.mark.parametrize("version", ["10.16", "rtx-1.7"])
def test_an_engine_is_built_proven_and_read(
    exported: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    cuda = FakeCuda()
    trt = fake_tensorrt(version, cuda)
    monkeypatch.setitem(sys.modules, trt.__name__, trt)
    monkeypatch.setattr("runtime.engines.tensorrt.plan.open_cuda", lambda: cuda)
    library = TensorRtLibrary(trt, trt.__name__, trt.__version__)
    onnx, plan = Path(exported[1]["onnx"]), tmp_path / "meter.plan"
    result = build_engine(
        EngineRequest(onnx, plan), lambda *build: build_plan(library, *build, cuda)
    )
    assert json.dumps(result) and result["parity"]["engine"]["num_equal"] == 16
    sidecar = EngineSidecar.read(plan)
    assert sidecar.task == "brightness" and list(sidecar.profiles[0]) == ["pixels"]
    meter, reference = LightMeter(open_engine(plan)), LightMeter(open_engine(onnx, device="cpu"))
    np.testing.assert_allclose(meter.read(GREY), reference.read(GREY), atol=1e-5)
    direct = reference.engine.run({"x": SquareBatch((), GREY[:1]).inputs})
    np.testing.assert_allclose(direct["brightness"], reference.read(GREY[:1]))
    meter.close()
    reference.close()
    with pytest.raises(ArtifactError, match="is no recogniser: expected a model of the task 'rec'"):
        open_session(plan)
    assert cuda.leaks == []
