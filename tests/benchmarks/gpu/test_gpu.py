"""The command on an in-memory device: what is here is checked, what is not is said."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from benchmarks.gpu import __main__ as command
from benchmarks.gpu.device import checks, microseconds_per_call
from benchmarks.measuring.result import read_result
from runtime.engines.cuda import require_gpu
from runtime.errors import EngineError
from tests.fakes.cuda import FakeCuda

pytest.importorskip("onnxruntime", reason="lines are read with it")


@pytest.fixture
def cuda() -> FakeCuda:
    cuda = FakeCuda()
    require_gpu(cuda)
    return cuda


@pytest.mark.parametrize("name", [name for name, _ in checks(FakeCuda(), 0)])
def test_every_check_passes_on_a_device_that_works(cuda: FakeCuda, name: str) -> None:
    dict(checks(cuda, 0))[name]()
    assert cuda.leaks == []


def test_a_device_that_mixes_bytes_up_is_found(cuda: FakeCuda) -> None:
    def wrong(host: int, device: int, nbytes: int, stream: int) -> None:
        """Nothing comes down."""

    cuda.copy_to_host = wrong  # type: ignore[method-assign]
    for name in ("bytes go up and come down", "a captured copy replays with what the buffer holds"):
        with pytest.raises(AssertionError):
            dict(checks(cuda, 0))[name]()


def test_a_device_in_disorder_is_a_result(
    cuda: FakeCuda, toy_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing hangs, and what was found is written."""
    monkeypatch.setattr(command, "open_cuda", lambda: cuda)
    cuda.fail_at |= {"begin_capture": 0, "synchronize_stream": 10}
    output = tmp_path / "gpu.json"
    arguments = ["--model", str(toy_onnx), "--passes", "1", "--output", str(output)]
    assert command.main(arguments) == 1
    failed = {failure.what for failure in read_result(output).failures if not failure.is_absent}
    assert "another thread allocates while this one captures" in failed
    assert "time of a call" in failed
    for thread in threading.enumerate():
        if thread.name.endswith("(work)"):
            thread.join(10)
            assert not thread.is_alive()


def test_calls_are_timed(cuda: FakeCuda) -> None:
    assert min(microseconds_per_call(cuda, 0).values()) > 0


def test_the_result_says_what_was_here(
    cuda: FakeCuda,
    toy_onnx: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command, "open_cuda", lambda: cuda)
    output = tmp_path / "gpu.json"
    arguments = ["--model", str(toy_onnx), "--passes", "1", "--output", str(output)]
    assert command.main([*arguments, "--keep-search"]) == 0
    result = read_result(output)
    values = {figure.name: figure.value for figure in result.measures}
    assert values["CUDA / bytes go up and come down"] == 1
    assert values["onnxruntime on the CPU / texts as on the CPU"] == 20
    absent = {failure.what for failure in result.failures if failure.is_absent}
    assert "onnxruntime on CUDA, HEURISTIC" in absent and "engine graph on CUDA" in absent
    assert "keeping the fastest search" in absent
    assert json.loads(output.read_text())["details"]["gpu"]["name"] == "Fake GPU 0"
    assert "not here: onnxruntime on CUDA" in capsys.readouterr().out


def test_without_a_gpu_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "open_cuda", lambda: FakeCuda(devices=0))
    assert command.main([]) == 2
    assert "no NVIDIA GPU can be used here" in capsys.readouterr().err
    with pytest.raises(EngineError):
        require_gpu(FakeCuda(devices=0))
