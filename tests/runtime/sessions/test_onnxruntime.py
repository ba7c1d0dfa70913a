from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from runtime.errors import ArtifactError, EngineError
from runtime.sessions import Session, open_session
from runtime.spec import RecognizerSpec

onnxruntime = pytest.importorskip("onnxruntime", reason="it is tested here")

ToyModel = Callable[..., Path]
BATCH = np.random.default_rng(0).uniform(-1, 1, (3, 3, 32, 64)).astype(np.float32)


def test_best_classes_and_their_probabilities(toy_path: Path) -> None:
    session: Session = open_session(toy_path, device="cpu", threads=1)
    indices, values = session.run(BATCH)
    (scores,) = onnxruntime.InferenceSession(str(toy_path), providers=["CPUExecutionProvider"]).run(
        None, {"x": BATCH}
    )
    assert indices.dtype == np.int64 and values.dtype == np.float32
    np.testing.assert_array_equal(indices, scores.argmax(axis=-1))
    np.testing.assert_allclose(values, scores.max(axis=-1), rtol=1e-6)
    assert len(np.unique(indices)) > 1, "the toy network must depend on its input"


def test_logits_give_the_same_as_probabilities(
    toy_model: ToyModel, make_spec: Callable[..., RecognizerSpec]
) -> None:
    results = []
    for activation in ("softmax", "none"):
        spec = make_spec(output_activation=activation)
        path = toy_model(spec=spec, softmax=activation == "softmax")
        results.append(open_session(path).run(BATCH))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-5)


def test_a_batch_size_fixed_to_one_is_run_line_by_line(
    toy_model: ToyModel, toy_path: Path, spec: RecognizerSpec
) -> None:
    expected = open_session(toy_path).run(BATCH)
    session = open_session(toy_model(spec=spec, input_shape=(1, 3, 32, "W")))
    for got, wanted in zip(session.run(BATCH), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-6)


def test_another_fixed_batch_size_is_refused(toy_model: ToyModel, spec: RecognizerSpec) -> None:
    with pytest.raises(ArtifactError, match="batch size is fixed to 4"):
        open_session(toy_model(spec=spec, input_shape=(4, 3, 32, "W")))


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x07" * 40])
def test_a_damaged_model_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.onnx"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"cannot open the model .*damaged\.onnx: .*ONNX") as e:
        open_session(path)
    assert "\n" not in str(e.value)


def test_a_cut_model_is_refused(toy_path: Path) -> None:
    toy_path.write_bytes(toy_path.read_bytes()[:-300])
    with pytest.raises(ArtifactError):
        open_session(toy_path)


def test_values_that_are_not_finite_are_an_error(
    toy_model: ToyModel, make_spec: Callable[..., RecognizerSpec]
) -> None:
    for activation in ("softmax", "none"):
        spec = make_spec(output_activation=activation)
        path = toy_model(spec=spec, softmax=activation == "softmax", poisoned=True)
        with pytest.raises(EngineError, match="not finite"):
            open_session(path).run(BATCH)


def test_an_input_of_another_shape_is_an_engine_error(toy_path: Path) -> None:
    with pytest.raises(EngineError, match=r"failed on an input of \[1, 3, 31, 64\]: ") as error:
        open_session(toy_path).run(np.zeros((1, 3, 31, 64), np.float32))
    assert "\n" not in str(error.value)


def test_a_closed_session_says_so(toy_path: Path) -> None:
    session = open_session(toy_path)
    session.close()
    with pytest.raises(EngineError, match="closed"):
        session.run(BATCH)


def test_threads_are_taken_and_told(toy_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        session = open_session(toy_path, device="cpu", threads=2)
    assert "CPUExecutionProvider, 2 threads" in session.description
    assert session.description in caplog.text


def test_threads_default_to_the_budget(toy_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.sessions.onnxruntime.available_cpus", lambda: 3)
    assert "3 threads" in open_session(toy_path, device="cpu").description


@pytest.mark.parametrize(("device", "extra"), [("cpu", "cpu"), ("auto", "cpu"), ("cuda", "gpu")])
def test_a_missing_package_names_the_extra(
    toy_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(EngineError, match=rf"pip install 'distilrec\[{extra}\]'"):
        open_session(toy_path, device=device)


needs_no_gpu = pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(),
    reason="this onnxruntime has CUDA, whose absence is tested here",
)


@needs_no_gpu
def test_cuda_that_the_package_lacks_is_an_error_only_when_asked_for(toy_path: Path) -> None:
    with pytest.raises(EngineError, match=r"no CUDA in this onnxruntime.*distilrec\[gpu\]"):
        open_session(toy_path, device="cuda")
    assert "CPUExecutionProvider" in open_session(toy_path, device="auto").description


@needs_no_gpu
@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_silent_fall_back_to_the_cpu_is_noticed(
    toy_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A package that offers CUDA and then runs on the CPU, as where the driver is missing."""
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    with pytest.raises(EngineError, match="CUDA"):
        open_session(toy_path, device="cuda")
    with caplog.at_level(logging.WARNING):
        session = open_session(toy_path, device="auto")
    assert "CPUExecutionProvider" in session.description
    assert "going on with the CPU" in caplog.text


@pytest.mark.gpu
def test_cuda_agrees_with_the_cpu(toy_path: Path) -> None:
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("onnxruntime-gpu is not installed")
    indices, values = open_session(toy_path, device="cuda").run(BATCH)
    expected_indices, expected_values = open_session(toy_path, device="cpu").run(BATCH)
    np.testing.assert_array_equal(indices, expected_indices)
    np.testing.assert_allclose(values, expected_values, atol=1e-3)
