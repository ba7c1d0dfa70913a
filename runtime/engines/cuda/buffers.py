"""Memory for what goes to the GPU and back: a page-locked block and its twin on the GPU."""

from __future__ import annotations

import ctypes
import logging
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from runtime.engines.cuda import Cuda
from runtime.errors import EngineError

logger = logging.getLogger(__name__)

ALIGNMENT = 256
"""Of every address that TensorRT is given, in bytes."""


def aligned(nbytes: int) -> int:
    """`nbytes` rounded up to a multiple of `ALIGNMENT`."""
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


class TwinBuffer:
    """A page-locked block and a block of the same size on the GPU; they grow, and never shrink.

    Nothing may be under way on either while it grows or closes.

    Args:
        cuda: the GPU selected is the calling thread's.
    """

    def __init__(self, cuda: Cuda) -> None:
        self._cuda = cuda
        self._held = ExitStack()
        self.nbytes = 0
        self.host = 0
        self.device = 0
        self._bytes: NDArray[np.uint8] = np.empty(0, np.uint8)

    def reserve(self, nbytes: int) -> bool:
        """Make room.

        Args:
            nbytes: that are needed at least; growing at least doubles the room.

        Returns:
            Whether the addresses are others now, and what was in the block is gone.

        Raises:
            EngineError: if the GPU is short of memory; the buffer is empty then.
        """
        if nbytes <= self.nbytes:
            return False
        size = aligned(max(nbytes, 2 * self.nbytes))
        self.close()
        with ExitStack() as stack:
            self.device = self._cuda.malloc(size)
            stack.callback(self._cuda.free, self.device)
            try:
                self.host = self._cuda.host_alloc(size)
                stack.callback(self._cuda.host_free, self.host)
                block = (ctypes.c_uint8 * size).from_address(self.host)
                self._bytes = np.ctypeslib.as_array(block)
            except EngineError as error:
                # Containers and shared memory limits forbid it; copies take longer then.
                logger.warning("no page-locked memory, going on with ordinary: %s", error)
                self._bytes = np.empty(size, np.uint8)
                self.host = self._bytes.ctypes.data
            self._held = stack.pop_all()
        self.nbytes = size
        return True

    def view(
        self, offset: int, shape: tuple[int, ...], dtype: type[np.generic]
    ) -> NDArray[np.generic]:
        """Part of the page-locked block as an array, which lives until the buffer grows or closes.

        Args:
            offset: in bytes.
            shape, dtype: of the array.
        """
        end = offset + int(np.prod(shape)) * np.dtype(dtype).itemsize
        return self._bytes[offset:end].view(dtype).reshape(shape)

    def upload(self, nbytes: int, stream: int) -> None:
        """Start copying the first bytes to the GPU."""
        self._cuda.copy_to_device(self.device, self.host, nbytes, stream)

    def download(self, nbytes: int, stream: int) -> None:
        """Start copying the first bytes from the GPU."""
        self._cuda.copy_to_host(self.host, self.device, nbytes, stream)

    def close(self) -> None:
        """Give both blocks back."""
        self.nbytes, self.host, self.device = 0, 0, 0
        self._bytes = np.empty(0, np.uint8)
        self._held.close()
