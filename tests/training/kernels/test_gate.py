"""When the compiled kernels step aside, and what paddle's own operations then do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import paddle
import pytest

from training.kernels import (
    BatchNormHardSwish,
    DepthwiseConv2D,
    fast_path,
    fast_path_enabled,
    gate,
    set_fast_path,
)


class Block(paddle.nn.Layer):
    """One depthwise convolution, BatchNorm and hard-swish."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = DepthwiseConv2D(4, 4, 3, padding=1, groups=4, bias_attr=False)
        self.norm = BatchNormHardSwish(4)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.norm(self.convolution(x))


@pytest.fixture(autouse=True)
def switched_on() -> Iterator[None]:
    set_fast_path(True)
    yield
    set_fast_path(True)


def block_and_input() -> tuple[Block, paddle.Tensor]:
    paddle.seed(5)
    return Block(), paddle.randn([2, 4, 6, 9])


def kernels_used(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that grows by a name whenever a compiled kernel is asked for a tensor's memory."""
    used: list[str] = []
    from training.kernels import batch_norm, depthwise

    for module in (batch_norm, depthwise):
        original = module.array_from_tensor

        def noted(tensor: paddle.Tensor, original=original, name=module.__name__):  # type: ignore[no-untyped-def]
            used.append(name)
            return original(tensor)

        monkeypatch.setattr(module, "array_from_tensor", noted)
    return used


def test_on_by_default_and_both_kernels_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    used = kernels_used(monkeypatch)
    block, x = block_and_input()
    assert fast_path_enabled()
    block(x)
    assert len(set(used)) == 2


def test_switched_off_gives_the_same_result_from_paddle(monkeypatch: pytest.MonkeyPatch) -> None:
    block, x = block_and_input()
    fast = block(x).numpy()
    used = kernels_used(monkeypatch)
    set_fast_path(False)
    assert not fast_path_enabled()
    assert np.allclose(block(x).numpy(), fast, rtol=1e-4, atol=1e-5)
    assert not used


def test_a_part_of_a_program_switches_it_off_and_leaves_it_as_it_was() -> None:
    for before in (True, False):
        set_fast_path(before)
        with pytest.raises(KeyError), fast_path(enabled=not before):
            assert fast_path_enabled() is not before
            raise KeyError
        assert fast_path_enabled() is before


def test_steps_aside_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "_numba_installed", lambda: False)
    used = kernels_used(monkeypatch)
    block, x = block_and_input()
    block(x).sum().backward()
    assert not fast_path_enabled()
    assert not used


def test_steps_aside_for_another_type(monkeypatch: pytest.MonkeyPatch) -> None:
    used = kernels_used(monkeypatch)
    layer = DepthwiseConv2D(2, 2, 3, groups=2, bias_attr=False).to(dtype="float64")
    assert layer(paddle.randn([1, 2, 5, 5]).astype("float64")).dtype == paddle.float64
    assert not used


def test_steps_aside_while_tracing(monkeypatch: pytest.MonkeyPatch) -> None:
    block, x = block_and_input()
    block.eval()
    eager = block(x).numpy()
    used = kernels_used(monkeypatch)
    shape = [paddle.static.InputSpec([None, 4, None, None], "float32")]
    traced = paddle.jit.to_static(block, input_spec=shape, full_graph=True)
    assert np.allclose(traced(x).numpy(), eager, rtol=1e-4, atol=1e-5)
    assert not used


def test_bytecode_tracing_gives_the_same_result() -> None:
    # There paddle may break the graph and run the kernels eagerly, which is as good.
    block, x = block_and_input()
    eager = block(x).numpy()
    traced = paddle.jit.to_static(block, full_graph=False)
    assert np.allclose(traced(x).numpy(), eager, rtol=1e-4, atol=1e-5)


def test_an_exported_program_holds_paddle_s_own_operations(tmp_path: Path) -> None:
    block, x = block_and_input()
    block.eval()
    eager = block(x).numpy()
    shape = [paddle.static.InputSpec([None, 4, None, None], "float32")]
    paddle.jit.save(block, str(tmp_path / "block"), input_spec=shape)
    loaded = paddle.jit.load(str(tmp_path / "block"))
    assert np.allclose(loaded(x).numpy(), eager, rtol=1e-4, atol=1e-5)


def test_array_shares_the_tensor_s_memory() -> None:
    x = paddle.zeros([2, 3])
    gate.array_from_tensor(x)[1, 2] = 5
    assert float(x[1, 2]) == 5
    x.stop_gradient = False
    assert gate.array_from_tensor(x).ctypes.data == x.data_ptr()
