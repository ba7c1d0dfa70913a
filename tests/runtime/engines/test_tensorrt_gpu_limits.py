"""The real TensorRT on a real GPU where things end or go wrong: `make test-gpu`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.engines.cuda import open_cuda
from runtime.engines.tensorrt.context import BoundContext, Shape
from runtime.engines.tensorrt.engine import TensorRtEngine
from runtime.engines.tensorrt.library import load_tensorrt, require_driver
from runtime.engines.tensorrt.plan import TensorRtPlan
from runtime.errors import EngineError
from runtime.recognition.best_path_session import BestPathSession
from tests.fakes.toy_engine import build_plan
from tests.runtime.conftest import toy_spec, write_toy_model
from tests.runtime.engines.conftest import Pair

pytestmark = pytest.mark.gpu

Lines = Callable[..., list[Any]]


def opened(plan: Path, **options: Any) -> BestPathSession:
    return BestPathSession(TensorRtEngine(TensorRtPlan(plan), **options))


def test_a_second_engine_outlives_the_first(pair: Pair, lines_of: Lines) -> None:
    first, second = opened(pair.plan), opened(pair.plan)
    lines = lines_of(np.random.default_rng(3), 2, 160)
    expected = first.read(lines, 160)[0]
    first.close()
    np.testing.assert_array_equal(second.read(lines, 160)[0], expected)
    second.close()


def test_errors_of_a_second_engine_have_words_when_the_first_is_gone(pair: Pair) -> None:
    opened(pair.plan).close()
    plan = TensorRtPlan(pair.plan)
    stream = plan.cuda.create_stream()
    nbytes = max(plan.scratch_nbytes(0), 256)
    scratch = plan.cuda.malloc(nbytes)
    context = BoundContext(plan, stream, scratch, nbytes, use_graphs=False)
    sizes = {name: shapes.max for name, shapes in plan.sidecar.profiles[0].items()}
    beyond = tuple((name, (10**6, *range_[1:])) for name, range_ in sizes.items())
    with pytest.raises(EngineError, match="is refused; TensorRT said: ") as error:
        context.set_shape(Shape(0, beyond))
    assert "said: nothing" not in str(error.value)
    del context
    plan.close()
    plan.cuda.free(scratch)
    plan.cuda.destroy_stream(stream)


def test_the_largest_batch_of_every_profile_runs(pair: Pair, lines_of: Lines) -> None:
    """Scratch memory, buffers and the longest loop of a recurrent network."""
    session, rng = opened(pair.plan), np.random.default_rng(4)
    for profile in session.engine.profiles:
        count, _, width_px, _ = profile["pixels"].max
        lines = lines_of(rng, count, width_px)
        expected = session.read(lines, width_px)
        assert len(expected[0]) == count
        for _ in range(3):
            np.testing.assert_array_equal(session.read(lines, width_px)[0], expected[0])
    session.close()


def test_the_parts_of_a_call_read_as_each_alone(pair: Pair, lines_of: Lines) -> None:
    """They are under way together; only what is copied too early or over another shows here."""
    session, rng = opened(pair.plan, num_lanes=1), np.random.default_rng(8)
    for width_px in (session.spec.width.input_width(320), session.spec.width.input_width(96)):
        sizes = {"pixels": (session.spec.height, width_px, 3), "content_widths": ()}
        count = 5 * (session.lines_at_once or 1) + 3
        lines = lines_of(rng, count, width_px)
        parts = session.engine.parts(count, sizes)
        assert len(parts) > 4
        alone = [
            session.read(lines[part.start : part.start + part.count], width_px) for part in parts
        ]
        for _ in range(6):  # plain, captured amid the others, and replayed
            classes, confidences = session.read(lines, width_px)
            np.testing.assert_array_equal(classes, np.concatenate([read[0] for read in alone]))
            np.testing.assert_array_equal(confidences, np.concatenate([read[1] for read in alone]))
    session.close()


def test_engines_come_and_go_while_others_capture(pair: Pair, lines_of: Lines) -> None:
    """What one thread allocates and frees spoils no capture of another."""
    steady, failures = opened(pair.plan, num_lanes=1), []
    widths = [steady.spec.width.input_width(width) for width in (64, 128, 192, 256, 320)]
    rng = np.random.default_rng(5)
    batches = [(lines_of(rng, 2, width), width) for width in widths]
    expected = [steady.read(*batch)[0] for batch in batches]

    def come_and_go() -> None:
        try:
            for batch, classes in zip(batches, expected, strict=True):
                session = opened(pair.plan)
                for _ in range(3):
                    np.testing.assert_array_equal(session.read(*batch)[0], classes)
                session.close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=come_and_go) for _ in range(2)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        for batch, classes in zip(batches, expected, strict=True):
            np.testing.assert_array_equal(steady.read(*batch)[0], classes)
    steady.close()
    assert failures == []


def test_closing_waits_for_what_runs(pair: Pair, lines_of: Lines) -> None:
    session = opened(pair.plan)
    width_px = session.spec.width.input_width(320)
    lines = lines_of(np.random.default_rng(6), 8, width_px)
    expected = session.read(lines, width_px)[0]
    began, said = threading.Event(), []

    def read_on() -> None:
        try:
            while True:
                np.testing.assert_array_equal(session.read(lines, width_px)[0], expected)
                began.set()
        except Exception as error:
            said.append(str(error))
        finally:
            began.set()

    threads = [threading.Thread(target=read_on) for _ in range(4)]
    for thread in threads:
        thread.start()
    began.wait(60)
    session.close()
    for thread in threads:
        thread.join(60)
    assert len(said) == 4 and all("session is closed" in message for message in said)


def test_a_second_gpu_reads_as_the_first(pair: Pair, lines_of: Lines) -> None:
    cuda = open_cuda()
    if cuda.device_count() < 2 or cuda.compute_capability(0) != cuda.compute_capability(1):
        pytest.skip("a second GPU of the same kind is not here")
    lines = lines_of(np.random.default_rng(7), 2, 160)
    read = []
    for device_id in (0, 1):
        session = BestPathSession(TensorRtEngine(TensorRtPlan(pair.plan, device_id=device_id)))
        read.append([session.read(lines, 160)[0] for _ in range(3)])
        session.close()
    np.testing.assert_array_equal(read[0], read[1])


def test_a_network_that_emits_nan_is_an_error(tmp_path: Path, lines_of: Lines) -> None:
    """A maximum that passes over what is no number would read as a blank."""
    pytest.importorskip("onnx", reason="the plan is built from an ONNX file")
    from export.recognition.engine_graph import engine_graph

    try:
        library = load_tensorrt()
        gpu = require_driver()
    except EngineError as error:
        pytest.skip(str(error))
    model = write_toy_model(tmp_path / "nan.onnx", spec=toy_spec(), poisoned=True)
    plan = build_plan(
        library.module,
        model,
        tmp_path / "nan.plan",
        graph_of=engine_graph,
        compute_capability=gpu.compute_capability,
    )
    session = opened(plan)
    with pytest.raises(EngineError, match="not finite, or no probabilities"):
        session.read(lines_of(np.random.default_rng(8), 2, 96), 96)
    session.close()
