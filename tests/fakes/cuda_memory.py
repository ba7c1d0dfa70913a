"""The memory of the fake CUDA: addresses that are looked up, and are never used twice."""

from __future__ import annotations

import ctypes
import threading

import numpy as np
from numpy.typing import NDArray

from runtime.errors import EngineError

Bytes = NDArray[np.uint8]
_FIRST_ADDRESS = 0x7F00_0000_0000
_ALIGNMENT = 512
_UNWRITTEN, _FREED = 0xCD, 0xDD


class CudaFault(AssertionError):
    """The caller has done what CUDA leaves undefined."""


class FakeMemory:
    """Memory of the GPU and page-locked memory of the host.

    Args:
        memory_bytes: of the GPU.
    """

    def __init__(self, memory_bytes: int) -> None:
        self.memory_bytes = memory_bytes
        self._lock = threading.RLock()
        self._device_memory: dict[int, Bytes] = {}
        self._host_memory: dict[int, Bytes] = {}
        self._graveyard: list[Bytes] = []
        self.takes_ordinary_memory = False
        self._gone: set[int] = set()
        self._next = _FIRST_ADDRESS

    def driver_version(self) -> str:
        return "13.0"

    def device_name(self, device_id: int) -> str:
        return f"Fake GPU {device_id}"

    def memory_info(self) -> tuple[int, int]:
        with self._lock:
            used = sum(memory.nbytes for memory in self._device_memory.values())
        return self.memory_bytes - used, self.memory_bytes

    def malloc(self, nbytes: int) -> int:
        with self._lock:
            self._called("malloc")
            if nbytes > self.memory_info()[0]:
                raise EngineError("cudaMalloc failed: cudaErrorMemoryAllocation (2): out of memory")
            address = self._handle(nbytes)
            self._device_memory[address] = np.full(nbytes, _UNWRITTEN, np.uint8)
            return address

    def free(self, address: int) -> None:
        with self._lock:
            self._called("free")
            if address not in self._device_memory:
                raise CudaFault(f"free of {self._described(address)}")
            # The real one waits for the GPU.
            self._run_all()
            del self._device_memory[address]
            self._gone.add(address)

    def host_alloc(self, nbytes: int) -> int:
        with self._lock:
            self._called("host_alloc")
            memory = np.full(nbytes, _UNWRITTEN, np.uint8)
            address = int(memory.ctypes.data)
            self._host_memory[address] = memory
            self._gone.discard(address)
            return address

    def host_free(self, address: int) -> None:
        with self._lock:
            self._called("host_free")
            if address not in self._host_memory:
                raise CudaFault(f"host_free of {self._described(address)}")
            memory = self._host_memory.pop(address)
            memory[:] = _FREED
            self._graveyard.append(memory)  # nobody else gets this address
            self._gone.add(address)

    def _host_bytes(self, address: int, nbytes: int) -> Bytes:
        """Memory of the host; what is not page-locked has to be allowed for, CUDA copies it too."""
        if self.takes_ordinary_memory and address not in self._host_memory:
            block = (ctypes.c_uint8 * nbytes).from_address(address)
            return np.ctypeslib.as_array(block)
        return self._part(self._host_memory, address, nbytes)[0]

    def device_bytes(self, address: int, nbytes: int) -> tuple[Bytes, int]:
        """Memory of the GPU and the first address of its allocation; faults if it is not there."""
        with self._lock:
            return self._part(self._device_memory, address, nbytes)

    def _called(self, name: str, needs_device: bool = True) -> None:
        raise NotImplementedError

    def _run_all(self) -> None:
        raise NotImplementedError

    def _handle(self, nbytes: int) -> int:
        address = self._next
        # A gap behind each, so that running over the end is noticed.
        self._next += (nbytes // _ALIGNMENT + 2) * _ALIGNMENT
        return address

    def _part(self, memory: dict[int, Bytes], address: int, nbytes: int) -> tuple[Bytes, int]:
        for first, held in memory.items():
            if first <= address < first + max(held.nbytes, 1):
                offset = address - first
                if offset + nbytes > held.nbytes:
                    raise CudaFault(
                        f"{nbytes} bytes from byte {offset} of an allocation of {held.nbytes}"
                    )
                return held[offset : offset + nbytes], first
        raise CudaFault(f"use of {self._described(address)}")

    def _alive(self, memory: dict[int, Bytes], first: int) -> None:
        if first not in memory:
            raise CudaFault(f"use of {self._described(first)}")

    def _described(self, address: int) -> str:
        return f"{address:#x}, which {'was freed' if address in self._gone else 'never was'}"
