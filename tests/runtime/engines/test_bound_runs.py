"""onnxruntime on tensors that stay: the same numbers, nothing allocated twice, bounded memory."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from runtime.engines import bound_runs
from runtime.engines.bound_runs import BoundRuns
from runtime.engines.onnxruntime import CPU, CUDA, OnnxRuntimeEngine
from runtime.errors import EngineError

ort = pytest.importorskip("onnxruntime", reason="it is tested here")


class OnCuda:
    """onnxruntime whose device `cuda` is the CPU; what goes to the device is counted."""

    __version__ = "1.99"
    SessionOptions = ort.SessionOptions

    def __init__(self) -> None:
        self.allocated: list[tuple[list[int], Any]] = []
        self.updated = 0
        self.fails = False
        package = self

        class Value:
            def __init__(self, value: Any) -> None:
                self.real = value
                self.shape, self.numpy = value.shape, value.numpy

            def update_inplace(self, array: Any) -> None:
                package.updated += 1
                self.real.update_inplace(array)

            @classmethod
            def ortvalue_from_shape_and_type(
                cls, shape: list[int], element_type: Any, device_type: str, device_id: int
            ) -> Value:
                assert (device_type, device_id) == ("cuda", 1)
                package.allocated.append((shape, element_type))
                return cls(ort.OrtValue.ortvalue_from_shape_and_type(shape, element_type, "cpu"))

        class Binding:
            def __init__(self, binding: Any) -> None:
                self.real = binding

            def bind_ortvalue_input(self, name: str, value: Value) -> None:
                self.real.bind_ortvalue_input(name, value.real)

            def bind_output(self, name: str, device_type: str, device_id: int) -> None:
                assert (device_type, device_id) == ("cuda", 1)
                self.real.bind_output(name, "cpu", 0)

            def bind_ortvalue_output(self, name: str, value: Value) -> None:
                self.real.bind_ortvalue_output(name, value.real)

            def get_outputs(self) -> list[Value]:
                return list(map(Value, self.real.get_outputs()))

        class Session:
            def __init__(self, path: str, options: Any, providers: Any, **more: Any) -> None:
                self.real = ort.InferenceSession(path, options, providers=[CPU])
                self.is_on_cpu = providers == [CPU]
                self.get_inputs, self.get_outputs = self.real.get_inputs, self.real.get_outputs
                self.get_modelmeta = self.real.get_modelmeta

            def get_providers(self) -> list[str]:
                return [CPU] if self.is_on_cpu else [CUDA, CPU]

            def run(self, *arguments: Any) -> Any:
                assert self.is_on_cpu, "what is filled goes by way of the binding"
                return self.real.run(*arguments)

            def io_binding(self) -> Binding:
                return Binding(self.real.io_binding())

            def run_with_iobinding(self, binding: Binding) -> None:
                if package.fails:
                    raise RuntimeError("CUDA failure 700: an illegal memory access")
                self.real.run_with_iobinding(binding.real)

        self.OrtValue, self.InferenceSession = Value, Session

    def get_available_providers(self) -> list[str]:
        return [CUDA, CPU]


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> OnCuda:
    package = OnCuda()
    monkeypatch.setitem(sys.modules, "onnxruntime", package)
    return package


def run_and_compare(engine: Any, expected: Any, rng: Any, count: int, width_px: int) -> Any:
    batch = rng.standard_normal((count, 3, 32, width_px)).astype(np.float32)

    def fill(views: Any) -> None:
        views["x"][...] = batch

    (outputs,) = engine.run_parts([({"x": batch.shape}, fill)])
    for name, wanted in expected.run({"x": batch}).items():
        np.testing.assert_array_equal(outputs[name], wanted)
    return outputs


def test_tensors_stay_on_the_gpu(toy_path: Path, package: OnCuda) -> None:
    expected = OnnxRuntimeEngine(toy_path, "cpu", threads=1)
    engine = OnnxRuntimeEngine(toy_path, "cuda", threads=1, device_id=1)
    rng = np.random.default_rng(0)
    first = run_and_compare(engine, expected, rng, 2, 64)
    copy = {name: array.copy() for name, array in first.items()}
    for _ in range(3):
        for count, width_px in ((2, 64), (1, 64), (2, 96)):
            run_and_compare(engine, expected, rng, count, width_px)
    assert [shape for shape, _ in package.allocated] == [
        [2, 3, 32, 64],
        [1, 3, 32, 64],
        [2, 3, 32, 96],
    ]
    assert package.updated == 10
    for name, array in first.items():  # the caller's own, whatever runs later
        np.testing.assert_array_equal(array, copy[name])
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.run_filled({"x": (1, 3, 32, 64)}, lambda views: None)


def test_a_run_that_fails_is_told_and_forgotten(toy_path: Path, package: OnCuda) -> None:
    expected = OnnxRuntimeEngine(toy_path, "cpu", threads=1)
    engine = OnnxRuntimeEngine(toy_path, "cuda", threads=1, device_id=1)
    rng = np.random.default_rng(1)
    run_and_compare(engine, expected, rng, 2, 64)
    package.fails = True
    with pytest.raises(EngineError, match=r"failed on an input of \[2, 3, 32, 64\]: CUDA failure"):
        engine.run_filled({"x": (2, 3, 32, 64)}, lambda views: None)
    package.fails = False
    run_and_compare(engine, expected, rng, 2, 64)
    assert len(package.allocated) == 2

    def broken(views: Any) -> None:
        raise KeyError("as the test asked for")

    with pytest.raises(KeyError):
        engine.run_filled({"x": (2, 3, 32, 64)}, broken)
    run_and_compare(engine, expected, rng, 2, 64)


@pytest.mark.parametrize(("most_shapes", "most_bytes"), [(2, 2**30), (99, 3 * 3 * 32 * 64 * 4)])
def test_what_stays_is_bounded(
    toy_path: Path, monkeypatch: pytest.MonkeyPatch, most_shapes: int, most_bytes: int
) -> None:
    monkeypatch.setattr(bound_runs, "MOST_SHAPES", most_shapes)
    monkeypatch.setattr(bound_runs, "MOST_BYTES", most_bytes)
    engine = OnnxRuntimeEngine(toy_path, "cpu", threads=1)
    runs = BoundRuns(ort, engine._session, engine.inputs, engine.outputs, "cpu", 0)
    one = SimpleNamespace(
        run_parts=lambda parts: [filled_run(runs, shapes, fill) for shapes, fill in parts]
    )
    rng = np.random.default_rng(2)
    for width_px in (64, 32, 64, 96, 32, 64, 640, 64):
        run_and_compare(one, engine, rng, 1, width_px)
        assert len(runs._kept) <= most_shapes
        assert len(runs._kept) == 1 or (
            sum(bound.nbytes for bound in runs._kept.values()) <= most_bytes
        )


def filled_run(runs: BoundRuns, shapes: Any, fill: Any) -> Any:
    bound = runs.bound(shapes)
    fill(bound.arrays)
    return runs.run(bound)


def test_threads_do_not_share_what_they_write(toy_path: Path, package: OnCuda) -> None:
    expected = OnnxRuntimeEngine(toy_path, "cpu", threads=1)
    engine = OnnxRuntimeEngine(toy_path, "cuda", threads=1, device_id=1)
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        try:
            for _ in range(20):
                run_and_compare(engine, expected, rng, 2, int(rng.choice([32, 64])))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and len(engine._idle) <= 4
