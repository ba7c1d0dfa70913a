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
    """A block on the GPU and a page-locked one of the host; they grow, and never shrink.

    The host's may be the larger one: what lies in it behind one another goes to the GPU's in turn.
    Nothing may be under way on either while it grows or closes.

    Args:
        cuda: the GPU selected is the calling thread's.
    """

    def __init__(self, cuda: Cuda) -> None:
        self._cuda = cuda
        self._held_device, self._held_host = ExitStack(), ExitStack()
        self.nbytes = 0
        self.host_nbytes = 0
        self.host = 0
        self.device = 0
        self._bytes: NDArray[np.uint8] = np.empty(0, np.uint8)

    def reserve(self, nbytes: int, host_nbytes: int = 0) -> bool:
        """Make room.

        Args:
            nbytes: that are needed at least, on both sides; growing at least doubles the room.
            host_nbytes: that are needed on the host, where these are more.

        Returns:
            Whether the GPU's address is another one now. What was in a block that grew is gone.

        Raises:
            EngineError: if the GPU is short of memory; the buffer is empty then.
        """
        host_nbytes = max(nbytes, host_nbytes)
        has_moved = nbytes > self.nbytes
        try:
            if has_moved:
                self._grow_device(aligned(max(nbytes, 2 * self.nbytes)))
            if host_nbytes > self.host_nbytes:
                self._grow_host(aligned(max(host_nbytes, 2 * self.host_nbytes)))
        except EngineError:
            self.close()
            raise
        return has_moved

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

    def upload(self, nbytes: int, stream: int, offset: int = 0) -> None:
        """Start copying bytes of the host, from an offset on, to the start of the GPU's block."""
        self._cuda.copy_to_device(self.device, self.host + offset, nbytes, stream)

    def download(self, nbytes: int, stream: int, offset: int = 0) -> None:
        """Start copying the first bytes on the GPU to the host, to where an offset says."""
        self._cuda.copy_to_host(self.host + offset, self.device, nbytes, stream)

    def close(self) -> None:
        """Give both blocks back."""
        self.nbytes, self.host_nbytes, self.host, self.device = 0, 0, 0, 0
        self._bytes = np.empty(0, np.uint8)
        try:
            self._held_host.close()
        finally:
            self._held_device.close()

    def _grow_device(self, nbytes: int) -> None:
        self.nbytes, self.device = 0, 0
        self._held_device.close()
        self.device = self._cuda.malloc(nbytes)
        self._held_device.callback(self._cuda.free, self.device)
        self.nbytes = nbytes

    def _grow_host(self, nbytes: int) -> None:
        self.host_nbytes, self.host = 0, 0
        self._bytes = np.empty(0, np.uint8)
        self._held_host.close()
        try:
            self.host = self._cuda.host_alloc(nbytes)
        except EngineError as error:
            # Containers and shared memory limits forbid it; copies take longer then.
            logger.warning("no page-locked memory, going on with ordinary: %s", error)
            self._bytes = np.empty(nbytes, np.uint8)
            self.host = self._bytes.ctypes.data
        else:
            self._held_host.callback(self._cuda.host_free, self.host)
            block = (ctypes.c_uint8 * nbytes).from_address(self.host)
            self._bytes = np.ctypeslib.as_array(block)
        self.host_nbytes = nbytes
