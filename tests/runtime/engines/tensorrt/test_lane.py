"""Nothing is set or allocated twice, and memory is that of the profiles met."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from runtime.engines.tensorrt.lane import Lane
from runtime.engines.tensors import ShapeRange
from runtime.errors import EngineError

pytest.importorskip("onnxruntime", reason="the fake engine runs on it")

ONE_PROFILE = (ShapeRange((1, 3, 32, 32), (4, 3, 32, 160), (8, 3, 32, 320)),)


def test_shapes_and_addresses_are_set_when_they_change(make_host: Any, lines_of: Any) -> None:
    host = make_host()
    session = host.session(host.plan(ONE_PROFILE), use_graphs=False)
    rng = np.random.default_rng(6)
    session.read(lines_of(rng, 8, 320), 320)
    for width_px, count, shapes, addresses in (
        (320, 8, 0, 0),
        (320, 8, 0, 0),
        (96, 8, 1, 1),  # the confidences move
        (96, 8, 0, 0),
        (96, 7, 0, 0),  # filled up to 8
        (96, 4, 1, 1),
    ):
        before = len(host.cuda.calls)
        session.read(lines_of(rng, count, width_px), width_px)
        calls = host.cuda.calls[before:]
        assert calls.count("set_input_shape pixels") == shapes
        assert sum(call.startswith("set_tensor_address") for call in calls) == addresses
        assert not {"malloc", "host_alloc", "create_stream"} & set(calls)
    session.close()


def test_a_refused_profile_is_an_engine_error(make_host: Any, lines_of: Any) -> None:
    """The binding raises RuntimeError, which nothing here would have caught."""
    host = make_host()
    session = host.session()
    host.trt._wishes.refuses_profiles = True
    with pytest.raises(EngineError, match=r"profile 1 is refused .*said: setOptimizationProfileA"):
        session.read(lines_of(np.random.default_rng(0), 2, 320), 320)
    host.trt._wishes.refuses_profiles = False
    assert len(session.read(lines_of(np.random.default_rng(0), 2, 320), 320)[0]) == 2
    session.close()


def test_a_lane_works_in_the_memory_of_the_profiles_it_meets(make_host: Any) -> None:
    host = make_host()
    shapes = [ShapeRange(*((n, 3, 32, 96) for n in (1, 1, most))) for most in (1, 4)]
    plan = host.opened(host.plan(shapes))
    assert [plan.scratch_nbytes(profile) for profile in (0, 1)] == [512, 2048]
    lane = Lane(plan)
    before = host.cuda.memory_info()[0]
    lane.prepare({"pixels": (4, 32, 96, 3), "content_widths": (4,)})
    assert before - host.cuda.memory_info()[0] >= 2048 - 512
    lane.close()
    plan.close()


def test_a_small_profile_behind_a_large_one_has_memory_enough(make_host: Any) -> None:
    """A new context stands at the first profile, for which the second's memory is too little."""
    host = make_host()
    shapes = [ShapeRange(*((n, 3, 32, 96) for n in (1, 1, 8))), ShapeRange(*[(1, 3, 32, 160)] * 3)]
    plan = host.opened(host.plan(shapes))
    assert [plan.scratch_nbytes(profile) for profile in (0, 1)] == [4096, 512]
    lane = Lane(plan)
    for width_px in (160, 160, 160, 96, 96, 160):
        views = lane.prepare({"pixels": (1, 32, width_px, 3), "content_widths": (1,)})
        views["pixels"][:], views["content_widths"][:] = 0, width_px
        lane.upload()
        lane.compute()
        lane.download()
        lane.synchronize()
    lane.close()
    plan.close()


def test_without_page_locked_memory_ordinary_memory_serves(
    make_host: Any, caplog: pytest.LogCaptureFixture
) -> None:
    host = make_host()
    host.cuda.host_alloc, host.cuda.takes_ordinary_memory = refuse, True
    session = host.session()
    host.compare(session, seed=3, rounds=10)
    assert "no page-locked memory, going on with ordinary" in caplog.text
    session.close()


def refuse(nbytes: int) -> int:
    raise EngineError("cudaHostAlloc failed: cudaErrorMemoryAllocation (2)")


def test_closing_never_keeps_others_waiting(make_host: Any, lines_of: Any) -> None:
    host = make_host()
    session = host.session(num_lanes=2)
    host.cuda.fail_at["destroy_stream"] = 0
    session.close()
    with pytest.raises(EngineError, match="closed"):
        session.read(lines_of(np.random.default_rng(0), 1, 32), 32)
    session.close()
    host.cuda._streams.clear()  # the driver's, after such an error


def test_memory_stays_flat_over_random_shapes(make_host: Any) -> None:
    host = make_host()
    session = host.session(num_lanes=1)
    host.compare(session, seed=20, rounds=60, reference=False)
    used, alive = host.cuda.memory_info()[0], len(host.trt._alive)
    host.compare(session, seed=21, rounds=300, reference=False)
    # Buffers have grown to the largest batch by now, and there are as many contexts as graphs,
    # and those of the two shapes of a call.
    assert host.cuda.memory_info()[0] >= used - 2 * 8 * 32 * 640 * 3
    assert len(host.trt._alive) <= max(alive, 3 + 16)
    before = host.cuda.memory_info()
    host.compare(session, seed=20, rounds=300, reference=False)
    assert host.cuda.memory_info() == before
    session.close()
