from __future__ import annotations

import numpy as np
import pytest

from runtime.engines.cuda.buffers import TwinBuffer, aligned
from runtime.errors import EngineError
from tests.fakes.cuda import CudaFault, FakeCuda


def test_it_grows_by_doubling_and_never_shrinks() -> None:
    cuda = FakeCuda()
    buffer = TwinBuffer(cuda)
    sizes, moved = [], []
    for nbytes in (1000, 1000, 10, 1025, 2048, 100_000, 100_001):
        moved.append(buffer.reserve(nbytes))
        sizes.append(buffer.nbytes)
    assert sizes == [1024, 1024, 1024, 2048, 2048, 100_096, 100_096]
    assert moved == [True, False, False, True, False, True, False]
    assert cuda.calls.count("malloc") == cuda.calls.count("host_alloc") == 3
    buffer.close()
    buffer.close()
    assert cuda.leaks == []


def test_views_lie_in_the_page_locked_block() -> None:
    cuda = FakeCuda()
    buffer, stream = TwinBuffer(cuda), cuda.create_stream()
    buffer.reserve(600)
    numbers = buffer.view(256, (2, 3), np.int32)
    numbers[:] = [[1, 2, 3], [4, 5, 6]]
    buffer.upload(600, stream)
    cuda.synchronize_stream(stream)
    numbers[:] = 0
    buffer.download(600, stream)
    cuda.synchronize_stream(stream)
    assert numbers.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert buffer.device % 256 == 0
    buffer.close()
    cuda.destroy_stream(stream)


def test_the_host_holds_several_that_take_turns_on_the_gpu() -> None:
    cuda = FakeCuda()
    buffer, stream = TwinBuffer(cuda), cuda.create_stream()
    assert buffer.reserve(256, 1024)
    device = buffer.device
    assert (buffer.nbytes, buffer.host_nbytes) == (256, 1024)
    assert not buffer.reserve(256, 1025) and buffer.device == device
    assert (buffer.nbytes, buffer.host_nbytes) == (256, 2048)
    starts = (0, 256, 1024)
    for number, start in enumerate(starts):
        buffer.view(start, (3,), np.int32)[:] = number
        buffer.upload(12, stream, start)
        buffer.download(12, stream, start + 512)
    cuda.synchronize_stream(stream)
    for number, start in enumerate(starts):
        assert buffer.view(start + 512, (3,), np.int32).tolist() == [number] * 3
    buffer.close()
    cuda.destroy_stream(stream)
    assert cuda.leaks == []


def test_without_page_locked_memory_it_takes_ordinary_memory() -> None:
    cuda = FakeCuda()
    cuda.takes_ordinary_memory = True
    buffer, stream = TwinBuffer(cuda), cuda.create_stream()
    cuda.fail_at["host_alloc"] = 0
    assert buffer.reserve(600) and buffer.nbytes >= 600
    numbers = buffer.view(0, (3,), np.int32)
    numbers[:] = [1, 2, 3]
    buffer.upload(600, stream)
    cuda.synchronize_stream(stream)
    numbers[:] = 0
    buffer.download(600, stream)
    cuda.synchronize_stream(stream)
    assert numbers.tolist() == [1, 2, 3]
    buffer.close()
    cuda.destroy_stream(stream)
    assert cuda.leaks == []


def test_a_failure_leaves_it_empty() -> None:
    cuda = FakeCuda()
    buffer = TwinBuffer(cuda)
    buffer.reserve(100)
    cuda.fail_at["malloc"] = 0
    with pytest.raises(EngineError):
        buffer.reserve(1000)
    assert cuda.leaks == [] and buffer.nbytes == 0
    cuda.fail_at.clear()
    assert buffer.reserve(100)
    buffer.close()
    assert cuda.leaks == []


def test_more_than_its_room_is_a_fault() -> None:
    cuda = FakeCuda()
    buffer, stream = TwinBuffer(cuda), cuda.create_stream()
    buffer.reserve(256)
    with pytest.raises(CudaFault, match="257 bytes from byte 0 of an allocation of 256"):
        buffer.upload(257, stream)


def test_aligned() -> None:
    assert [aligned(nbytes) for nbytes in (0, 1, 256, 257)] == [0, 256, 256, 512]
