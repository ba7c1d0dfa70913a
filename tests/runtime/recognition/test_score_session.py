from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import ArtifactError, EngineError
from runtime.recognition.preprocess import batch_from_lines
from runtime.recognition.score_session import ScoreSession
from runtime.recognition.session import Session, open_session
from runtime.recognition.spec import RecognizerSpec
from tests.fakes.anything import RELAXED
from tests.fakes.foreign_model import LISTED, write_foreign_model

onnxruntime = pytest.importorskip("onnxruntime", reason="it is tested here")

ToyModel = Callable[..., Path]
BATCH = np.random.default_rng(0).uniform(-1, 1, (3, 3, 32, 64)).astype(np.float32)


def open_onnx(path: Path, **options: Any) -> ScoreSession:
    """`open_session`, known to give an onnxruntime session."""
    session = open_session(path, **options)
    assert isinstance(session, ScoreSession)
    return session


def test_reading_lines_is_running_their_batch(toy_path: Path) -> None:
    rng = np.random.default_rng(1)
    lines = [rng.integers(0, 256, (32, width, 3)).astype(np.uint8) for width in (33, 64)]
    session: Session = open_onnx(toy_path, device="cpu")
    expected = open_onnx(toy_path, device="cpu").run(batch_from_lines(lines, 64))
    for got, wanted in zip(session.read(lines, 64), expected, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_best_classes_and_their_probabilities(toy_path: Path) -> None:
    session = open_onnx(toy_path, device="cpu", threads=1)
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
        results.append(open_onnx(path).run(BATCH))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_a_fixed_batch_size_is_filled_up_and_reads_the_same(
    toy_model: ToyModel, toy_path: Path, spec: RecognizerSpec, size: int
) -> None:
    expected = open_onnx(toy_path).run(BATCH)
    session = open_onnx(toy_model(spec=spec, input_shape=(size, 3, 32, "W")))
    for got, wanted in zip(session.run(BATCH), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-6)


def test_an_order_that_contradicts_the_spec_is_refused(
    tmp_path: Path, make_spec: Callable[..., RecognizerSpec]
) -> None:
    """As an earlier version of this project adopted models of [T, N, K]."""
    spec = make_spec(characters=LISTED, input_name="image", output_name="scores")
    path = tmp_path / "m.onnx"
    options: dict[str, Any] = {"layout": "TNK", "metadata": spec.to_metadata()}
    with pytest.raises(ArtifactError, match=r"got one whose dimension 1 is the batch"):
        open_onnx(write_foreign_model(path, **options))
    write_foreign_model(path, input_shape=(2, 3, 32, "W"), **options)
    with pytest.raises(EngineError, match=r"expected an output \[N, T, K\] .*export adopt"):
        open_onnx(path).run(BATCH)


def test_logits_under_the_name_of_probabilities_are_refused(
    toy_model: ToyModel, spec: RecognizerSpec
) -> None:
    with pytest.raises(EngineError, match="emitted no probabilities: expected values up to 1"):
        open_onnx(toy_model(spec=spec, softmax=False)).run(BATCH)


@pytest.mark.parametrize("name", ["recognizer_spec", "character"])
@given(said=st.text(max_size=40) | st.sampled_from(["\n" * 300_000, "a" * 70, "[" * 9999, "{}"]))
@settings(RELAXED, max_examples=25)
def test_any_metadata_opens_or_is_one_error(tmp_path: Path, name: str, said: str) -> None:
    path = write_foreign_model(tmp_path / "m.onnx", metadata={name: said})
    try:
        open_onnx(path, device="cpu", threads=1).close()
    except ArtifactError as error:
        assert "\n" not in str(error) and len(str(error)) < 1000


def test_metadata_beyond_any_list_is_refused(tmp_path: Path) -> None:
    for name in ("character", "recognizer_spec"):
        path = write_foreign_model(tmp_path / "m.onnx", metadata={name: "a\n" * (2**23 + 1)})
        with pytest.raises(ArtifactError, match="expected up to 16777216"):
            open_onnx(path)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x07" * 40])
def test_a_damaged_model_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.onnx"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"cannot open the model .*damaged\.onnx: .*ONNX") as e:
        open_onnx(path)
    assert "\n" not in str(e.value)


def test_a_cut_model_is_refused(toy_path: Path) -> None:
    toy_path.write_bytes(toy_path.read_bytes()[:-300])
    with pytest.raises(ArtifactError):
        open_onnx(toy_path)


def test_values_that_are_not_finite_are_an_error(
    toy_model: ToyModel, make_spec: Callable[..., RecognizerSpec]
) -> None:
    for activation in ("softmax", "none"):
        spec = make_spec(output_activation=activation)
        path = toy_model(spec=spec, softmax=activation == "softmax", poisoned=True)
        with pytest.raises(EngineError, match="not finite"):
            open_onnx(path).run(BATCH)


def test_an_input_of_another_shape_is_an_engine_error(toy_path: Path) -> None:
    with pytest.raises(EngineError, match=r"failed on an input of \[1, 3, 31, 64\]: ") as error:
        open_onnx(toy_path).run(np.zeros((1, 3, 31, 64), np.float32))
    assert "\n" not in str(error.value)


def test_a_closed_session_says_so(toy_path: Path) -> None:
    session = open_onnx(toy_path)
    session.close()
    with pytest.raises(EngineError, match="closed"):
        session.run(BATCH)


def test_threads_are_taken_and_told(toy_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        session = open_onnx(toy_path, device="cpu", threads=2)
    assert "CPUExecutionProvider, 2 threads" in session.description
    assert session.description in caplog.text


def test_threads_default_to_the_budget(toy_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.engines.onnxruntime.available_cpus", lambda: 3)
    assert "3 threads" in open_onnx(toy_path, device="cpu").description


@pytest.mark.parametrize(("device", "extra"), [("cpu", "cpu"), ("auto", "cpu"), ("cuda", "gpu")])
def test_a_missing_package_names_the_extra(
    toy_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(EngineError, match=rf"pip install 'distilrec\[{extra}\]'"):
        open_onnx(toy_path, device=device)


needs_no_gpu = pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(),
    reason="this onnxruntime has CUDA, whose absence is tested here",
)


@needs_no_gpu
def test_cuda_that_the_package_lacks_is_an_error_only_when_asked_for(toy_path: Path) -> None:
    with pytest.raises(EngineError, match=r"no CUDA in this onnxruntime.*distilrec\[gpu\]"):
        open_onnx(toy_path, device="cuda")
    assert "CPUExecutionProvider" in open_onnx(toy_path, device="auto").description


@needs_no_gpu
@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_silent_fall_back_to_the_cpu_is_noticed(
    toy_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A package that offers CUDA and then runs on the CPU, as where the driver is missing."""
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    with pytest.raises(EngineError, match="CUDA"):
        open_onnx(toy_path, device="cuda")
    with caplog.at_level(logging.WARNING):
        session = open_onnx(toy_path, device="auto")
    assert "CPUExecutionProvider" in session.description
    assert "going on with the CPU" in caplog.text


@pytest.mark.gpu
def test_cuda_agrees_with_the_cpu(toy_path: Path) -> None:
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("onnxruntime-gpu is not installed")
    indices, values = open_onnx(toy_path, device="cuda").run(BATCH)
    expected_indices, expected_values = open_onnx(toy_path, device="cpu").run(BATCH)
    np.testing.assert_array_equal(indices, expected_indices)
    np.testing.assert_allclose(values, expected_values, atol=1e-3)
