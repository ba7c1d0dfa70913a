"""The parts of one call are under way together, are waited for once, and do not mix."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from runtime.engines.tensorrt import staging
from runtime.engines.tensorrt.engine import TensorRtEngine
from runtime.engines.tensorrt.lane import Lane
from runtime.engines.tensors import ShapeRange
from runtime.errors import EngineError
from runtime.recognition.session import open_session

pytest.importorskip("onnxruntime", reason="the fake engine runs on it")

ONE_PROFILE = (ShapeRange((1, 3, 32, 32), (4, 3, 32, 160), (8, 3, 32, 320)),)


def same_as_onnxruntime(host: Any, session: Any, lines: Any, width_px: int) -> None:
    expected = open_session(host.onnx, device="cpu", threads=1)
    classes, confidences = session.read(lines, width_px)
    wanted, wanted_confidences = expected.read(lines, width_px)
    np.testing.assert_array_equal(classes, wanted)
    np.testing.assert_allclose(confidences, wanted_confidences, rtol=1e-5)


@pytest.mark.parametrize("use_graphs", [False, True])
def test_all_parts_are_started_before_one_is_waited_for(
    make_host: Any, lines_of: Any, use_graphs: bool
) -> None:
    host = make_host()
    session = host.session(host.plan(ONE_PROFILE), use_graphs=use_graphs)
    rng = np.random.default_rng(1)
    for _ in range(4):  # plain, captured, and replayed
        before = len(host.cuda.calls)
        same_as_onnxruntime(host, session, lines_of(rng, 20, 96), 96)  # 8, 8 and 4 filled up
        calls = host.cuda.calls[before:]
    assert calls.count("copy_to_device") == calls.count("copy_to_host") == 3
    assert calls.count("synchronize_stream") == 1 and calls[-1] == "synchronize_stream"
    assert calls.count("launch_graph") == (3 if use_graphs else 0)
    assert not {"malloc", "host_alloc", "set_input_shape pixels"} & set(calls)
    session.close()


def test_the_page_locked_memory_is_bounded(
    make_host: Any, lines_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = 8 * 32 * 96 * 3 + 256
    monkeypatch.setattr(staging, "MOST_STAGED_BYTES", 2 * part)
    host = make_host()
    session = host.session(host.plan(ONE_PROFILE), use_graphs=False)
    rng = np.random.default_rng(2)
    for _ in range(2):
        before = len(host.cuda.calls)
        same_as_onnxruntime(host, session, lines_of(rng, 40, 96), 96)  # five parts, two at once
        calls = host.cuda.calls[before:]
    assert calls.count("synchronize_stream") == 3
    assert sum(block.nbytes for block in host.cuda._host_memory.values()) <= 4 * part
    monkeypatch.setattr(staging, "MOST_STAGED_BYTES", 1)
    same_as_onnxruntime(host, session, lines_of(rng, 20, 96), 96)
    session.close()


def run_parts(engine: TensorRtEngine, host: Any, parts: Any) -> None:
    """Run batches (N, W) of random lines in one call, and hold each against onnxruntime."""
    rng, fills, lines = np.random.default_rng(3), [], []
    for count, width_px in parts:
        batch = rng.integers(0, 256, (count, 32, width_px, 3), dtype=np.uint8)

        def fill(views: Any, batch: Any = batch) -> None:
            views["pixels"][...], views["content_widths"][...] = batch, batch.shape[2]

        fills.append(({"pixels": batch.shape, "content_widths": (count,)}, fill))
        lines.append(batch)
    emitted = engine.run_parts(fills)
    expected = open_session(host.onnx, device="cpu", threads=1)
    for outputs, batch in zip(emitted, lines, strict=True):
        classes, _ = expected.read(list(batch), batch.shape[2])
        np.testing.assert_array_equal(outputs["classes"], classes)


@pytest.mark.parametrize("use_graphs", [False, True])
def test_more_shapes_than_contexts_wait_for_one_another(make_host: Any, use_graphs: bool) -> None:
    host = make_host()
    engine = TensorRtEngine(host.opened(), use_graphs, num_lanes=1)
    parts = [(8, 96), (2, 640), (8, 96), (4, 96), (1, 32), (2, 640), (8, 96), (2, 640)]
    for _ in range(4):
        run_parts(engine, host, parts)
    before = len(host.cuda.calls)
    run_parts(engine, host, parts)
    # Two shapes at once: the first three, then (4, 96) and (1, 32), then the rest.
    assert host.cuda.calls[before:].count("synchronize_stream") == 3
    assert engine.run_parts([]) == []
    engine.close()


def test_a_graph_gives_way_only_when_it_is_done(
    make_host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lane.__init__, "__defaults__", (True, 1))
    host = make_host()
    engine = TensorRtEngine(host.opened(host.plan(ONE_PROFILE)), num_lanes=1)
    for _ in range(3):
        run_parts(engine, host, [(8, 96)])
    for _ in range(6):  # the graph of the first is under way when the second takes its place
        run_parts(engine, host, [(8, 96), (4, 64), (4, 64), (4, 64)])
    assert engine.plan.capture_refused is False
    engine.close()


def test_a_capture_refused_amid_the_parts(make_host: Any) -> None:
    host = make_host()
    engine = TensorRtEngine(host.opened(host.plan(ONE_PROFILE)), num_lanes=1)
    for _ in range(3):
        run_parts(engine, host, [(8, 96)])
    host.trt._wishes.refuses_capture = True
    for _ in range(3):  # what is left of the call had a graph when it was staged
        run_parts(engine, host, [(4, 64), (8, 96), (4, 64), (8, 96)])
    assert engine.plan.capture_refused
    engine.close()


def test_a_call_that_breaks_off_leaves_the_next_one_whole(make_host: Any) -> None:
    host = make_host()
    engine = TensorRtEngine(host.opened(host.plan(ONE_PROFILE)), num_lanes=1)
    shapes = {"pixels": (8, 32, 96, 3), "content_widths": (8,)}

    def fill(views: Any) -> None:
        views["pixels"][...], views["content_widths"][...] = 7, 96

    def broken(views: Any) -> None:
        raise ValueError("as the test asked for")

    for _ in range(3):
        with pytest.raises(ValueError, match="asked for"):
            engine.run_parts([(shapes, fill), (shapes, fill), (shapes, broken)])
        run_parts(engine, host, [(8, 96), (8, 96), (2, 320)])
    engine.close()


def test_room_that_could_not_be_made_leaves_no_graph_of_the_old(make_host: Any) -> None:
    host = make_host()
    engine = TensorRtEngine(host.opened(host.plan(ONE_PROFILE)), num_lanes=1)
    for _ in range(3):
        run_parts(engine, host, [(8, 320)])
    host.cuda.fail_at["host_free"] = 0
    with pytest.raises(EngineError, match="host_free"):
        run_parts(engine, host, [(8, 320)] * 3)
    host.cuda.fail_at.clear()
    run_parts(engine, host, [(8, 320)] * 3)
    engine.close()
    host.cuda._host_memory.clear()  # the driver's, after such an error
