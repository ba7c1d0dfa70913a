"""Networks in OpenVINO: as in onnxruntime within rounding, and told what matters."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from runtime.cpu import cpu_kind
from runtime.engines import open_engine
from runtime.engines.onnxruntime import OnnxRuntimeEngine
from runtime.engines.openvino import CACHE_VARIABLE, OpenVinoEngine
from runtime.errors import ArtifactError, EngineError
from runtime.recognition.session import open_session
from tests.fakes.eight_bit_toy import write_eight_bit

openvino = pytest.importorskip("openvino", reason="it is tested here: pip install openvino")
pytest.importorskip("onnxruntime", reason="OpenVINO is compared with it")

WIDTHS = (32, 96, 64, 96, 640)
ROOT = Path(__file__).parents[3]
HAS_BF16 = "bf16" in str(cpu_kind())


def batches(widths: tuple[int, ...] = WIDTHS) -> list[NDArray[np.float32]]:
    rng = np.random.default_rng(3)
    return [rng.uniform(-1, 1, (1, 3, 32, width)).astype(np.float32) for width in widths]


def outputs(engine: OpenVinoEngine | OnnxRuntimeEngine, batch: NDArray[np.float32]):
    return engine.run({"x": batch})["probabilities"]


def test_fp32_is_onnxruntimes_within_rounding(toy_path: Path) -> None:
    engine, reference = OpenVinoEngine(toy_path, threads=1), OnnxRuntimeEngine(toy_path, "cpu", 1)
    for batch in batches():
        np.testing.assert_allclose(outputs(engine, batch), outputs(reference, batch), atol=1e-6)
    assert engine.metadata == reference.metadata and engine.metadata
    assert [info.sizes for info in engine.inputs] == [(None, 3, 32, None)]
    assert engine.is_on_cpu and engine.samples_at_once == 1
    assert engine.description.endswith("CPU, fp32, 1 thread")


def test_the_precision_is_said_and_not_left_to_openvino(toy_path: Path) -> None:
    engine = OpenVinoEngine(toy_path, threads=1)
    hint = engine._compiled.get_property("INFERENCE_PRECISION_HINT")
    assert hint == openvino.Type.f32


@pytest.mark.skipif(not HAS_BF16, reason="needs a CPU with AVX512-BF16 or AMX")
def test_bf16_rounds_where_the_cpu_has_it(toy_path: Path) -> None:
    engine, exact = (OpenVinoEngine(toy_path, kind, threads=1) for kind in ("bf16", "fp32"))
    assert engine._compiled.get_property("INFERENCE_PRECISION_HINT") == openvino.Type.bf16
    assert "bf16" in engine.description
    differences = [
        np.abs(outputs(engine, batch) - outputs(exact, batch)).max() for batch in batches()
    ]
    assert 0 < max(differences) < 0.2


def test_a_cpu_without_bf16_is_told(toy_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Core(openvino.Core):  # type: ignore[misc, name-defined]
        def get_property(self, device: str, name: str) -> list[str]:
            return ["FP32", "INT8"]

    monkeypatch.setattr("runtime.engines.openvino._core_of", lambda package: Core())
    with pytest.raises(EngineError, match="expected a CPU with AVX512-BF16 or AMX, got none"):
        OpenVinoEngine(toy_path, "bf16")


def test_8_bit_weights_are_read_too(toy_path: Path) -> None:
    form = write_eight_bit(toy_path)
    engine, reference = OpenVinoEngine(form, threads=1), OnnxRuntimeEngine(form, "cpu", 1)
    for batch in batches():
        np.testing.assert_allclose(outputs(engine, batch), outputs(reference, batch), atol=1e-4)


def test_threads_and_what_came_before_change_no_bit(toy_path: Path) -> None:
    given = batches() * 8
    alone = [
        outputs(OpenVinoEngine(toy_path, threads=1, shared=True), batch) for batch in given[:5]
    ]
    engine = OpenVinoEngine(toy_path, threads=2, shared=True)
    assert engine.num_lanes == 2
    with ThreadPoolExecutor(4) as threads:
        read = list(threads.map(lambda batch: outputs(engine, batch), given))
    for number, found in enumerate(read):
        np.testing.assert_array_equal(found, read[number % len(WIDTHS)])
    for found, expected in zip(read, alone, strict=False):
        np.testing.assert_array_equal(found, expected)
    assert len(engine._idle) <= 4


def test_outputs_are_the_callers_own(toy_path: Path) -> None:
    engine = OpenVinoEngine(toy_path, threads=1)
    first, second = batches((32, 32))
    kept = outputs(engine, first)
    before = kept.copy()
    outputs(engine, second)
    np.testing.assert_array_equal(kept, before)


def test_numpys_own_small_numbers_stay(toy_path: Path) -> None:
    outputs(OpenVinoEngine(toy_path, threads=1), batches((32,))[0])
    assert np.float32(1e-40) * np.float32(1) != 0


def test_it_is_opened_by_name_and_reads(toy_path: Path) -> None:
    session = open_session(toy_path, device="openvino", threads=1)
    usual = open_session(toy_path, device="cpu", threads=1)
    line = np.random.default_rng(0).integers(0, 256, (32, 60, 3), dtype=np.uint8)
    classes, _ = session.read([line, line], 64)
    np.testing.assert_array_equal(classes, usual.read([line, line], 64)[0])
    assert session.description.startswith("openvino ")
    session.close()
    with pytest.raises(EngineError, match="is closed; open the model again"):
        session.read([line], 64)


OPENED_AND_CLOSED = """
import faulthandler, gc, pathlib, signal, sys, threading
from runtime.engines.openvino import OpenVinoEngine
faulthandler.enable()  # an alternate signal stack, which OpenVINO replaces by its own
path = pathlib.Path(sys.argv[1])
def use():
    engines = [OpenVinoEngine(path, threads=1) for _ in range(2)]
    engines.pop(0).close()
    engines.pop().close()
    gc.collect()
use()
thread = threading.Thread(target=use)
thread.start()
thread.join()
signal.signal(signal.SIGINT, lambda number, frame: print("heard"))
signal.raise_signal(signal.SIGINT)
"""


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_signals_are_heard_after_engines_were_closed(toy_path: Path) -> None:
    command = [sys.executable, "-c", OPENED_AND_CLOSED, str(toy_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr


def test_what_it_fails_on_is_said_in_a_line(toy_path: Path) -> None:
    engine = OpenVinoEngine(toy_path, threads=1)
    with pytest.raises(EngineError, match=r"failed on an input of \[1, 2, 32, 32\]") as error:
        outputs(engine, np.zeros((1, 2, 32, 32), np.float32))
    assert "\n" not in str(error.value)
    outputs(engine, batches((32,))[0])


def test_what_is_no_model_is_told(tmp_path: Path) -> None:
    path = tmp_path / "no.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(ArtifactError, match=r"no\.onnx in OpenVINO: .*; read it in onnxruntime"):
        OpenVinoEngine(path)


def test_where_it_is_not_installed(toy_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(EngineError, match=r"pip install 'distilrec\[openvino\]'"):
        open_engine(toy_path, device="openvino")


def test_compiled_networks_are_kept_where_it_is_asked_for(
    toy_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "compiled"))
    first, again = (OpenVinoEngine(toy_path, threads=1) for _ in range(2))
    assert list((tmp_path / "compiled").iterdir())
    batch = batches((64,))[0]
    np.testing.assert_array_equal(outputs(first, batch), outputs(again, batch))
