"""TensorRT-RTX captures graphs by itself and compiles kernels, which are kept."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.engines.tensorrt.lane import Lane

pytest.importorskip("onnxruntime", reason="the fake engine runs on it")


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
