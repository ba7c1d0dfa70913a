"""Contexts of the fake TensorRT: they run when the stream comes to it, on a `FakeCuda`'s memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.fakes.cuda import CudaFault, Operation
from tests.fakes.tensorrt_run import DTYPES

_COMPUTE_MS, _ALIGNMENT = 0.5, 256


class IRuntimeCache:
    _MAGIC = b"fake kernels"

    def __init__(self) -> None:
        self._data = b""

    def serialize(self) -> Any:
        return self._trt.IHostMemory(self._data or self._MAGIC)

    def deserialize(self, blob: Any) -> bool:
        is_ours = bytes(blob).startswith(self._MAGIC)
        self._data = bytes(blob) if is_ours else b""
        return is_ours

    def reset(self) -> bool:
        self._data = b""
        return True


class IRuntimeConfig:
    def __init__(self) -> None:
        self._strategy = self._trt.ExecutionContextAllocationStrategy.STATIC
        self._cache: Any = None

    def set_execution_context_allocation_strategy(self, strategy: Any) -> None:
        self._strategy = strategy

    def get_execution_context_allocation_strategy(self) -> Any:
        return self._strategy

    def create_runtime_cache(self) -> Any:
        return self._trt.IRuntimeCache()

    def set_runtime_cache(self, cache: Any) -> bool:
        self._cache = cache
        return True

    def get_runtime_cache(self) -> Any:
        return self._cache


class IExecutionContext:
    def __init__(self, engine: Any, strategy: Any, settings: Any = None) -> None:
        self._engine, self._logger = engine, engine._logger
        self._is_user_managed = strategy.name == "USER_MANAGED"
        self._settings = settings
        self._scratch: tuple[int, int] | None = None
        self._profile = 0
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}
        self._generation = self._run_generation = self._num_runs = 0
        self._trt._alive.add(self)

    @property
    def engine(self) -> Any:
        return self._engine

    @property
    def active_optimization_profile(self) -> int:
        return self._profile

    @property
    def all_binding_shapes_specified(self) -> bool:
        return not self.infer_shapes()

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        is_there = 0 <= profile_index < self._engine.num_optimization_profiles
        if not is_there or self._trt._wishes.refuses_profiles:
            # The binding asserts what the library refuses.
            self._refuse(f"setOptimizationProfileAsync: profile {profile_index} is refused")
            raise RuntimeError("Error in set optimization profile async.")
        self._trt._cuda.put(stream_handle, Operation(lambda: None))
        self._profile, self._shapes = profile_index, {}
        self._generation += 1
        return True

    def set_input_shape(self, name: str, shape: Any) -> bool:
        self._trt._cuda.calls.append(f"set_input_shape {name}")
        sizes = tuple(int(size) for size in shape)
        low, _, high = self._engine._plan.profiles[self._profile][name]
        if len(sizes) != len(low) or not all(
            a <= b <= c for a, b, c in zip(low, sizes, high, strict=True)
        ):
            return self._refuse(
                f"IExecutionContext::setInputShape: {name} {sizes} is out of the range of "
                f"profile {self._profile}"
            )
        if self._shapes.get(name) != sizes:
            self._generation += 1
        self._shapes[name] = sizes
        return True

    def get_tensor_shape(self, name: str) -> Any:
        if name in self._shapes:
            return self._trt.Dims(self._shapes[name])
        if self.infer_shapes():
            return self._trt.Dims(self._engine._tensors[name].shape)
        return self._trt.Dims(self._engine._shapes_of_outputs(self._shapes)[name])

    def infer_shapes(self) -> list[str]:
        inputs = [tensor for tensor in self._engine._plan.tensors if tensor.is_input]
        return [input_.name for input_ in inputs if input_.name not in self._shapes]

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._trt._cuda.calls.append(f"set_tensor_address {name}")
        if name not in self._engine._tensors:
            return self._refuse(f"setTensorAddress: no tensor {name}")
        if memory % _ALIGNMENT:
            raise CudaFault(f"{name}: an address that is no multiple of {_ALIGNMENT}")
        if self._addresses.get(name) != memory:
            self._generation += 1
        self._addresses[name] = memory
        return True

    def is_stream_capturable(self, stream_handle: int) -> bool:
        return self._trt._wishes.capturable

    def get_tensor_address(self, name: str) -> int:
        return self._addresses.get(name, 0)

    def set_device_memory(self, memory: int, size: int) -> None:
        if not self._is_user_managed:
            raise CudaFault("memory given to a context that has its own")
        self._trt._cuda.device_bytes(memory, size)
        if size < self._engine.get_device_memory_size_for_profile_v2(self._profile):
            # The real binding returns nothing either: only the log tells.
            self._refuse("setDeviceMemoryV2: The provided memory size is too small.")
            return
        self._scratch = (memory, size)

    def execute_async_v3(self, stream_handle: int) -> bool:
        self._trt._cuda.calls.append("execute_async_v3")
        if self._settings is not None and self._settings() is None:
            raise CudaFault("the settings that a context was made with are gone")
        missing = self.infer_shapes() or [
            name for name in self._engine._tensors if name not in self._addresses
        ]
        if missing:
            return self._refuse(f"enqueueV3: shape or address of {missing} was not set")
        if self._is_user_managed and (
            self._scratch is None
            or self._scratch[1] < self._engine.get_device_memory_size_for_profile_v2(self._profile)
        ):
            return self._refuse("enqueueV3: too little device memory was given")
        wishes, cuda = self._trt._wishes, self._trt._cuda
        if wishes.failing_runs:
            wishes.failing_runs -= 1
            return self._refuse("enqueueV3: Error Code 1: Cuda Runtime (an illegal access)")
        if (wishes.refuses_capture or self._run_generation != self._generation) and (
            cuda.refuse_capture(stream_handle, "operation not permitted when stream is capturing")
        ):
            return self._refuse("enqueueV3: operation not permitted when stream is capturing")
        cuda.put(stream_handle, self._operation())
        return True

    def _operation(self) -> Operation:
        engine, cuda = self._engine, self._trt._cuda
        shapes, addresses = dict(self._shapes), dict(self._addresses)
        generation, scratch = self._generation, self._scratch
        places: dict[str, tuple[int, tuple[int, ...], str]] = {}
        for name, shape in {**shapes, **engine._shapes_of_outputs(shapes)}.items():
            places[name] = (addresses[name], shape, DTYPES[engine._tensors[name].dtype])
        held = {name: cuda.device_bytes(place[0], _nbytes(place)) for name, place in places.items()}
        writes = {held[name][1] for name in held if not engine._tensors[name].is_input}
        if scratch is not None:
            writes.add(cuda.device_bytes(*scratch)[1])

        def run() -> None:
            if self._generation != generation:
                raise CudaFault("the context was changed before its work or its graph ran")
            # What a changed shape puts off is done in the first run after it.
            self._run_generation = generation
            self._num_runs += 1
            if scratch is not None:
                cuda.device_bytes(*scratch)[0][:] = 0
            views = {}
            for name, place in places.items():
                raw = cuda.device_bytes(place[0], _nbytes(place))[0]
                views[name] = raw.view(place[2]).reshape(place[1])
            for name, array in engine._compute(
                shapes, {shape: views[shape] for shape in shapes}
            ).items():
                views[name][...] = array
                if self._trt._wishes.spoils_replays and self._num_runs > 1:
                    views[name].view(np.uint8)[..., 0] ^= 1

        reads = {held[name][1] for name in held if engine._tensors[name].is_input}
        return Operation(run, frozenset(reads), frozenset(writes), _COMPUTE_MS)

    def _refuse(self, why: str) -> bool:
        self._logger.log(self._trt.Logger.ERROR, why)
        return False


def _nbytes(place: tuple[int, tuple[int, ...], str]) -> int:
    return int(np.prod(place[1])) * np.dtype(place[2]).itemsize
