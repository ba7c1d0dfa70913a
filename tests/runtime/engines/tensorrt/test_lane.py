"""Nothing is set, allocated or captured twice, and CUDA graphs replay what they captured."""

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


def test_a_shape_that_comes_again_is_replayed(make_host: Any, lines_of: Any) -> None:
    host = make_host()
    session, rng = host.session(host.plan(ONE_PROFILE)), np.random.default_rng(7)
    expected_calls = (
        {"execute_async_v3": 1, "begin_capture": 0, "launch_graph": 0},
        {"execute_async_v3": 2, "begin_capture": 1, "launch_graph": 1},  # held against the run
        {"execute_async_v3": 0, "begin_capture": 0, "launch_graph": 1},
        {"execute_async_v3": 0, "begin_capture": 0, "launch_graph": 1},
    )
    for expected in expected_calls:
        before = len(host.cuda.calls)
        session.read(lines_of(rng, 3, 96), 96)
        calls = host.cuda.calls[before:]
        assert {name: calls.count(name) for name in expected} == expected
    # Larger buffers have other addresses: the graph is made anew.
    before = len(host.cuda.calls)
    session.read(lines_of(rng, 8, 320), 320)
    assert "destroy_executable" in host.cuda.calls[before:]
    host.compare(session, seed=8, rounds=20, widths=(96, 320))
    session.close()


def run(lane: Lane, width_px: int) -> None:
    """Two lines of one width."""
    views = lane.prepare({"pixels": (2, 32, width_px, 3), "content_widths": (2,)})
    views["pixels"][:], views["content_widths"][:] = 0, width_px
    lane.upload()
    lane.compute()
    lane.download()
    lane.synchronize()


def test_only_so_many_graphs_are_kept(make_host: Any) -> None:
    host = make_host()
    lane, rng = Lane(host.opened(host.plan(ONE_PROFILE)), max_graphs=3), np.random.default_rng(9)
    for width_px in [320, *[int(width) for width in rng.choice([32, 64, 96, 128, 160], 60)]]:
        run(lane, width_px)
        assert lane.num_graphs <= 3
    assert lane.num_graphs == 3
    assert host.cuda.calls.count("launch_graph") > 5
    # The context of a graph that gave way serves the next one.
    assert len(host.trt._alive) == 1 + 1 + 3
    lane.close()


def test_the_graph_needed_least_gives_way_to_what_is_needed_more(make_host: Any) -> None:
    host = make_host()
    lane = Lane(host.opened(host.plan(ONE_PROFILE)), max_graphs=2)

    def is_replayed(width_px: int) -> bool:
        """Whether a run came from a graph that was there before it."""
        before = len(host.cuda.calls)
        run(lane, width_px)
        calls = host.cuda.calls[before:]
        return "launch_graph" in calls and "begin_capture" not in calls

    for width_px in (320, 32, 32, 64, 64):
        assert not is_replayed(width_px)
    assert is_replayed(32) and is_replayed(64) and is_replayed(32)
    # 32 has come four times and 64 three times.
    assert [is_replayed(96) for _ in range(5)] == [False, False, False, False, True]
    assert is_replayed(32), "the one that came more often has stayed"
    lane.close()


def test_shapes_that_take_turns_do_not_drive_each_other_out(make_host: Any) -> None:
    """More shapes than graphs, one after the other: whoever was there first is replayed."""
    host = make_host()
    lane = Lane(host.opened(host.plan(ONE_PROFILE)), max_graphs=3)
    widths = (32, 64, 96, 128, 160)
    run(lane, 320)
    for _ in range(10):
        for width_px in widths:
            run(lane, width_px)
    host.cuda.calls.clear()
    for _ in range(10):
        for width_px in widths:
            run(lane, width_px)
    calls = host.cuda.calls
    assert calls.count("begin_capture") <= 3
    assert calls.count("launch_graph") >= 10 * 3 - 3
    lane.close()


def test_a_replay_of_other_bits_is_found_and_graphs_are_given_up(
    make_host: Any, lines_of: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A capture that misses work of the host succeeds all the same."""
    host = make_host()
    host.trt._wishes.spoils_replays = True
    session = host.session(num_lanes=1)
    lines = lines_of(np.random.default_rng(0), 2, 96)
    first = session.read(lines, 96)
    with caplog.at_level("INFO"):
        second = session.read(lines, 96)
    assert "first replay gave other bits" in caplog.text
    assert session.engine.plan.capture_refused
    host.trt._wishes.spoils_replays = False
    np.testing.assert_array_equal(session.read(lines, 96)[0], first[0])
    assert len(second[0]) == 2
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


@pytest.mark.parametrize("version", ["10.16", "11.4"])
def test_a_refused_capture_is_remembered_for_the_engine(
    make_host: Any, caplog: pytest.LogCaptureFixture, version: str
) -> None:
    host = make_host(version)
    host.trt._wishes.refuses_capture = True
    session = host.session(num_lanes=2)
    with caplog.at_level("INFO"):
        host.compare(session, seed=10, rounds=30, widths=(96, 160))
    assert host.cuda.calls.count("begin_capture") == 1
    assert caplog.text.count("runs without CUDA graphs") == 1
    session.close()


@pytest.mark.parametrize("call", ["begin_capture", "end_capture", "instantiate_graph"])
def test_a_failing_capture_leaves_the_session_working(make_host: Any, call: str) -> None:
    host = make_host()
    session = host.session()
    host.cuda.fail_at[call] = 1  # the second capture fails
    host.compare(session, seed=12, rounds=40, widths=(96, 160))
    # What spoils a capture will the next time; no memory for a graph may be there later.
    is_refused = call == "end_capture"
    assert session.engine.plan.capture_refused == is_refused
    assert (host.cuda.calls.count("begin_capture") > 2) == (not is_refused)
    session.close()


def test_without_graphs_in_the_cuda_package(make_host: Any) -> None:
    host = make_host(graphs=False)
    session = host.session()
    host.compare(session, seed=13, rounds=10)
    assert "begin_capture" not in host.cuda.calls
    session.close()


def test_memory_stays_flat_over_random_shapes(make_host: Any) -> None:
    host = make_host()
    session = host.session(num_lanes=1)
    host.compare(session, seed=20, rounds=60, reference=False)
    used, alive = host.cuda.memory_info()[0], len(host.trt._alive)
    host.compare(session, seed=21, rounds=300, reference=False)
    # Buffers have grown to the largest batch by now, and there are as many contexts as graphs.
    assert host.cuda.memory_info()[0] >= used - 2 * 8 * 32 * 640 * 3
    assert len(host.trt._alive) <= max(alive, 2 + 16)
    before = host.cuda.memory_info()
    host.compare(session, seed=20, rounds=300, reference=False)
    assert host.cuda.memory_info() == before
    session.close()


def test_rtx_contexts_share_the_kernels_they_compile(make_host: Any) -> None:
    host = make_host("rtx-1.7")
    session = host.session(num_lanes=2)
    (settings,) = host.trt._runtime_configs
    assert settings.get_runtime_cache() is not None
    del settings  # nobody but the plan keeps it for the contexts
    host.compare(session, seed=22, rounds=10, widths=(96,))
    assert "begin_capture" not in host.cuda.calls
    session.close()
    assert not list(host.trt._runtime_configs)


def test_rtx_tells_whether_it_captures(make_host: Any) -> None:
    host = make_host("rtx-1.7")
    lane = Lane(host.opened())
    assert lane.has_graphs
    host.trt._wishes.capturable = False
    assert not lane.has_graphs
    (settings,) = host.trt._runtime_configs
    assert settings.dynamic_shapes_kernel_specialization_strategy.name == "EAGER"
    lane.close()


def test_rtx_keeps_compiled_kernels_for_the_next_process(
    make_host: Any, caplog: pytest.LogCaptureFixture
) -> None:
    host = make_host("rtx-1.7")
    session = host.session()
    cache = host.folder / "toy.plan.kernels"
    assert not cache.exists()
    session.close()
    assert cache.read_bytes() == b"fake kernels"
    host.session(host.folder / "toy.plan").close()
    cache.write_bytes(b"of another GPU")
    with caplog.at_level("INFO"):
        host.session(host.folder / "toy.plan").close()
    assert "fits another GPU or version and is made anew" in caplog.text
    assert cache.read_bytes() == b"fake kernels"
