"""CUDA graphs replay what they captured, are kept by need, and given up where they cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from runtime.engines.tensorrt.lane import Lane
from runtime.engines.tensors import ShapeRange

pytest.importorskip("onnxruntime", reason="the fake engine runs on it")

ONE_PROFILE = (ShapeRange((1, 3, 32, 32), (4, 3, 32, 160), (8, 3, 32, 320)),)


def run(lane: Lane, width_px: int) -> None:
    """Two lines of one width."""
    views = lane.prepare({"pixels": (2, 32, width_px, 3), "content_widths": (2,)})
    views["pixels"][:], views["content_widths"][:] = 0, width_px
    lane.upload()
    lane.compute()
    lane.download()
    lane.synchronize()


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


def test_a_graph_whose_first_launch_fails_is_dropped(make_host: Any) -> None:
    """It is brought to the GPU then, which may be short of memory; the run itself is done."""
    host = make_host()
    session = host.session()
    host.cuda.fail_at["launch_graph"] = 0
    host.compare(session, seed=14, rounds=40, widths=(96, 160))
    assert not session.engine.plan.capture_refused
    assert 1 < host.cuda.calls.count("launch_graph") <= 3, "no more is tried after some failures"
    assert host.cuda.calls.count("instantiate_graph") == host.cuda.calls.count("launch_graph")
    assert host.cuda.calls.count("destroy_executable") == host.cuda.calls.count("launch_graph")
    session.close()


def test_graphs_that_are_given_up_leave_no_contexts(make_host: Any) -> None:
    host = make_host()
    lane = Lane(host.opened(host.plan(ONE_PROFILE)))
    for width_px in (320, 96, 96, 160, 160, 32, 32):
        run(lane, width_px)
    assert lane.num_graphs == 3 and len(host.trt._alive) == 1 + 1 + 3
    host.trt._wishes.spoils_replays = True
    run(lane, 64)
    run(lane, 64)
    assert lane.num_graphs == 0 and len(host.trt._alive) == 1 + 1
    lane.close()


def test_without_graphs_in_the_cuda_package(make_host: Any) -> None:
    host = make_host(graphs=False)
    session = host.session()
    host.compare(session, seed=13, rounds=10)
    assert "begin_capture" not in host.cuda.calls
    session.close()
