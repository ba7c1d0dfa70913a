"""Sessions on the fakes: the same results as onnxruntime, and nothing done twice or too early."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from runtime import Recognizer
from runtime.engines.tensorrt.engine import TensorRtEngine
from runtime.engines.tensors import ShapeRange
from runtime.errors import ArtifactError, EngineError
from runtime.infer.__main__ import main
from runtime.recognition.best_path_session import BestPathSession, limited_spec
from runtime.recognition.spec import RecognizerSpec, WidthPolicy

onnxruntime = pytest.importorskip("onnxruntime", reason="the fake engine runs on it")

ONE_PROFILE = (ShapeRange((1, 3, 32, 32), (4, 3, 32, 160), (8, 3, 32, 320)),)


@pytest.mark.parametrize("use_graphs", [True, False])
def test_it_reads_as_onnxruntime_does(host: Any, use_graphs: bool) -> None:
    session = host.session(use_graphs=use_graphs)
    host.compare(session, seed=1, rounds=50)
    # TensorRT-RTX is told to capture by itself.
    is_rtx = host.trt.__name__ == "tensorrt_rtx"
    assert ("launch_graph" in host.cuda.calls) == (use_graphs and not is_rtx)
    strategy = "WHOLE_GRAPH_CAPTURE" if use_graphs else "DISABLED"
    told = {settings.cuda_graph_strategy.name for settings in host.trt._runtime_configs}
    assert told == ({strategy} if is_rtx else set())
    session.close()


def test_results_stay_when_the_next_batch_is_read(make_host: Any, lines_of: Any) -> None:
    host = make_host()
    session, rng = host.session(), np.random.default_rng(2)
    first = session.read(lines_of(rng, 4, 96), 96)
    kept = [array.copy() for array in first]
    session.read(lines_of(rng, 4, 96), 96)
    for array, copy in zip(first, kept, strict=True):
        np.testing.assert_array_equal(array, copy)
    session.close()


def test_only_bytes_go_up_and_classes_come_down(make_host: Any, lines_of: Any) -> None:
    host = make_host()
    session, sizes = host.session(), []
    up, down = host.cuda.copy_to_device, host.cuda.copy_to_host
    host.cuda.copy_to_device = lambda *all: (sizes.append(all[2]), up(*all))
    host.cuda.copy_to_host = lambda *all: (sizes.append(all[2]), down(*all))
    session.read(lines_of(np.random.default_rng(0), 4, 96), 96)
    pixels, steps = 4 * 32 * 96 * 3, 96 // 4
    assert sizes == [256 + pixels, 512 + 4 * 4 * steps]
    session.close()


def test_more_lines_than_a_profile_takes_are_divided(make_host: Any, lines_of: Any) -> None:
    host = make_host()
    session = host.session()
    host.compare(session, seed=3, rounds=10, widths=(320,))
    assert len(session.read(lines_of(np.random.default_rng(0), 11, 320), 320)[0]) == 11
    session.close()


def test_fewer_lines_than_a_profile_takes_are_filled_up(make_host: Any) -> None:
    host = make_host()
    session = host.session(host.plan([ShapeRange((4, 3, 32, 32), (4, 3, 32, 96), (4, 3, 32, 320))]))
    host.compare(session, seed=4, rounds=10, widths=(32, 320))
    session.close()


def test_lines_that_fill_up_are_blank(make_host: Any, lines_of: Any) -> None:
    host, widths = make_host(), []
    session = host.session(host.plan([ShapeRange((4, 3, 32, 32), (4, 3, 32, 96), (4, 3, 32, 320))]))
    up = host.cuda.copy_to_device

    def spy(device: int, host_address: int, nbytes: int, stream: int) -> None:
        up(device, host_address, nbytes, stream)
        sent = host.cuda._host_memory[host_address]
        widths.append(sent[:16].view(np.int32).tolist())

    host.cuda.copy_to_device = spy
    rng = np.random.default_rng(0)
    for count in (4, 2):
        lines = lines_of(rng, count, 320)
        session.read(lines, 320)
        assert widths.pop() == [*[line.shape[1] for line in lines], *[0] * (4 - count)]
    session.close()


def test_a_width_of_no_profile_never_reaches_tensorrt(make_host: Any, lines_of: Any) -> None:
    host = make_host()
    fixed = [
        ShapeRange((1, 3, 32, width), (4, 3, 32, width), (8, 3, 32, width)) for width in (32, 96)
    ]
    session = host.session(host.plan(fixed))
    host.compare(session, seed=5, rounds=10, widths=(32, 96))
    calls = len(host.cuda.calls)
    with pytest.raises(
        EngineError, match=r"pixels \[32, 64, 3\].*: expected pixels \[1 to 8, 32, 32, 3\]"
    ):
        session.read(lines_of(np.random.default_rng(0), 1, 64), 64)
    assert len(host.cuda.calls) == calls
    session.close()


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((31, 20, 3), "uint8"),
        ((32, 20, 1), "uint8"),
        ((32, 97, 3), "uint8"),
        ((32, 20), "uint8"),
        ((32, 20, 3), "float32"),
    ],
)
def test_lines_of_another_form_are_refused(
    make_host: Any, shape: tuple[int, ...], dtype: str
) -> None:
    session = make_host().session()
    with pytest.raises(
        EngineError, match=rf"expected lines uint8 \[32, up to 96, 3\], got {dtype} "
    ):
        session.read([np.zeros(shape, dtype)], 96)
    with pytest.raises(EngineError, match="at least one line"):
        session.read([], 96)
    session.close()


def test_values_that_are_not_finite_are_an_error(
    make_host: Any, toy_model: Callable[..., Path], spec: RecognizerSpec, lines_of: Any
) -> None:
    host = make_host()
    host.onnx = toy_model(spec=spec, poisoned=True)
    session = host.session()
    with pytest.raises(
        EngineError, match=r"not finite.*got nan for an input of \[2, 32, 96, 3\]; build"
    ):
        session.read(lines_of(np.random.default_rng(0), 2, 96), 96)
    session.close()


def test_classes_beyond_the_characters_are_an_error(
    make_host: Any, spec: RecognizerSpec, lines_of: Any
) -> None:
    host = make_host()
    session = host.session(host.plan(spec=replace(spec, characters=("a", "b")).as_json()))
    with pytest.raises(EngineError, match="expected classes 0 to 2, got"):
        session.read(lines_of(np.random.default_rng(0), 4, 96), 96)
    session.close()


def test_a_failed_run_carries_tensorrts_words_and_the_next_one_works(
    host: Any, lines_of: Any
) -> None:
    session, rng = host.session(), np.random.default_rng(14)
    session.read(lines_of(rng, 2, 96), 96)
    host.trt._wishes.failing_runs = 1
    with pytest.raises(EngineError, match="could not be run; TensorRT said: enqueueV3: Error Code"):
        session.read(lines_of(rng, 2, 96), 96)
    host.compare(session, seed=15, rounds=10)
    session.close()


@pytest.mark.parametrize(
    ("call", "nth"),
    [("create_stream", 0), ("malloc", 0), ("malloc", 1), ("malloc", 4)],
)
def test_what_fails_leaves_nothing_behind(
    make_host: Any, lines_of: Any, call: str, nth: int
) -> None:
    host = make_host()
    plan = host.opened()
    host.cuda.fail_at[call] = nth
    with pytest.raises(EngineError, match=f"{call} failed: cudaErrorUnknown"):
        session = BestPathSession(TensorRtEngine(plan))
        try:
            session.read(lines_of(np.random.default_rng(0), 2, 96), 96)
        finally:
            host.cuda.fail_at.clear()
            session.close()
    host.cuda.fail_at.clear()
    assert host.cuda.leaks == []


def test_no_context_is_an_error_that_leaves_nothing_behind(make_host: Any) -> None:
    host = make_host()
    host.trt._wishes.no_contexts = True
    with pytest.raises(EngineError, match="no execution context could be made; TensorRT said: cre"):
        host.session()
    assert host.cuda.leaks == []


def test_too_little_memory_is_an_error(make_host: Any, lines_of: Any) -> None:
    host = make_host(memory_bytes=50_000)
    session = host.session()
    with pytest.raises(EngineError, match="out of memory"):
        session.read(lines_of(np.random.default_rng(0), 8, 160), 160)
    assert session.read(lines_of(np.random.default_rng(0), 1, 32), 32)[0].shape == (1, 8)
    session.close()


def test_closing(host: Any, lines_of: Any) -> None:
    rng = np.random.default_rng(16)
    session = host.session(num_lanes=2)
    session.read(lines_of(rng, 2, 96), 96)
    session.close()
    session.close()
    with pytest.raises(EngineError, match="the session is closed"):
        session.read(lines_of(rng, 2, 96), 96)
    assert host.cuda.leaks == []
    with pytest.raises(EngineError, match="the engine is closed"):
        session.engine.plan.create_context(use_graphs=False)


def test_closing_that_fails_gives_back_the_rest(
    make_host: Any, lines_of: Any, caplog: pytest.LogCaptureFixture
) -> None:
    host = make_host()
    session = host.session()
    session.read(lines_of(np.random.default_rng(0), 2, 96), 96)
    host.cuda.fail_at["synchronize_stream"] = 0
    session.close()
    assert "closing: synchronize_stream failed" in caplog.text
    assert host.cuda.leaks == []


@pytest.mark.parametrize("num_lanes", [1, 3])
def test_threads_share_a_session(make_host: Any, num_lanes: int) -> None:
    host = make_host(devices=2)
    engine = TensorRtEngine(host.opened(device_id=1), num_lanes=num_lanes)
    session = BestPathSession(engine)
    assert session.num_lanes == num_lanes
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            host.compare(session, seed, rounds=20)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    session.close()


def test_a_recogniser_reads_with_a_plan(
    host: Any, line_images: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.install(monkeypatch)
    with Recognizer(host.onnx, device="cpu", threads=1) as recognizer:
        expected = recognizer(line_images)
    for batch_size in (1, 5, 64):
        with Recognizer(host.plan(), batch_size=batch_size) as recognizer:
            assert "fp32, Fake GPU 0 (number 0), fake CUDA" in recognizer.description
            got = recognizer(line_images)
        assert [result.text for result in got] == [result.text for result in expected]
    assert len({result.text for result in expected}) > 10


def test_the_command_reads_with_a_plan(
    host: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    host.install(monkeypatch)
    image = host.folder / "line.png"
    cv2.imwrite(str(image), np.full((32, 90, 3), 128, np.uint8))
    texts = []
    for model, device in ((host.onnx, "cpu"), (host.plan(), "cuda")):
        arguments = [str(image), "--model", str(model), "--device", device, "--format", "jsonl"]
        assert main([*arguments, "--device-id", "0"]) == 0
        texts.append(json.loads(capsys.readouterr().out)["text"])
    assert texts[0] == texts[1] != ""


def test_a_line_wider_than_the_engine_is_squeezed_and_warned_of(
    make_host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = make_host()
    host.install(monkeypatch)
    with Recognizer(host.plan(ONE_PROFILE)) as recognizer:
        narrow, wide = recognizer([np.zeros((32, 320), np.uint8), np.zeros((32, 400), np.uint8)])
    assert narrow.error is wide.error is None and narrow.warnings == ()
    assert wide.input_width_px == 320
    assert "400 px wide at a height of 32 px, the model takes 320 px" in wide.warnings[0]


@pytest.mark.parametrize("wrong", [-3.4e38, 0.0, 1.5, np.nan, np.inf])
def test_confidences_that_no_softmax_gives_are_an_error(
    make_host: Any, lines_of: Any, wrong: float
) -> None:
    """A maximum that passes over NaN leaves its start value and class 0: a silent blank."""
    host = make_host()
    session = host.session()
    run = session.engine.run_parts

    def spoilt(parts: Any) -> Any:
        outputs = run(parts)
        outputs[0]["confidences"][0, 0] = wrong
        return outputs

    session.engine.run_parts = spoilt
    with pytest.raises(EngineError, match="not finite, or no probabilities: expected the best"):
        session.read(lines_of(np.random.default_rng(0), 2, 96), 96)
    session.close()


def test_profiles_outside_the_model_are_refused(make_host: Any) -> None:
    host = make_host()
    wide = [ShapeRange((1, 3, 32, 960), (1, 3, 32, 960), (1, 3, 32, 960))]
    with pytest.raises(ArtifactError, match=r"takes none of the model's widths.*got 960 px"):
        host.session(host.plan(wide))


@pytest.mark.parametrize(
    ("policy", "widths", "expected"),
    [
        (WidthPolicy(32, 32, 3200), [(32, 160), (160, 640)], WidthPolicy(32, 32, 640)),
        (WidthPolicy(32, 32, 100), [(32, 160)], WidthPolicy(32, 32, 100)),
        (WidthPolicy(32, 32, 3200), [(320, 320)], WidthPolicy(32, 320, 320)),
        (WidthPolicy(8, 8, 3200), [(160, 640)], WidthPolicy(8, 160, 640)),
    ],
)
def test_widths_stay_within_the_profiles(
    make_spec: Callable[..., RecognizerSpec],
    policy: WidthPolicy,
    widths: list[tuple[int, int]],
    expected: WidthPolicy,
) -> None:
    ranges = [
        ShapeRange((1, 32, low, 3), (1, 32, low, 3), (8, 32, high, 3)) for low, high in widths
    ]
    assert limited_spec(make_spec(width=policy), ranges, "plan").width == expected


@pytest.mark.parametrize("sizes", [(1, 48, 64, 3), (1, 32, 64, 1)])
def test_what_no_spec_fits_is_refused(
    make_spec: Callable[..., RecognizerSpec], sizes: tuple[int, ...]
) -> None:
    with pytest.raises(ArtifactError, match="expected C = 3 and H = 32"):
        limited_spec(make_spec(), [ShapeRange(sizes, sizes, sizes)], "plan")


def test_a_plan_of_another_task_is_refused(make_host: Any) -> None:
    host = make_host()
    with pytest.raises(ArtifactError, match="is no recogniser: expected a model of the task 'rec'"):
        host.session(host.plan(task="det"))
