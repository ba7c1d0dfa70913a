"""Profiles, configuration and builder of the fake TensorRT; as `tests.fakes.tensorrt_network`."""

from __future__ import annotations

from typing import Any

from tests.fakes.plan import Plan, Tensor
from tests.fakes.tensorrt_network import checked_logger


class IOptimizationProfile:
    def __init__(self) -> None:
        self._shapes: dict[str, list[list[int]]] = {}

    def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:
        shapes = [[int(size) for size in shape] for shape in (min, opt, max)]
        for name, sizes in zip(("min", "opt", "max"), shapes, strict=True):
            if any(size < 0 for size in sizes):
                # The binding asserts what the library refuses.
                raise RuntimeError(f"Shape provided for {name} is inconsistent with other shapes.")
        self._shapes[input] = shapes

    def get_shape(self, input: str) -> list[Any]:
        return [self._trt.Dims(shape) for shape in self._shapes.get(input, [])]


class ITimingCache:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def serialize(self) -> Any:
        return self._trt.IHostMemory(self._data)

    def combine(self, input_cache: Any, ignore_mismatch: bool) -> bool:
        self._data += input_cache._data
        return True

    def reset(self) -> bool:
        self._data = b""
        return True


class IHostMemory(bytearray):
    """Bytes that can be viewed and written, and nothing else of `bytearray`."""

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("_") and name not in type(self)._api:
            raise AttributeError(f"'IHostMemory' object has no attribute {name!r}")
        return bytearray.__getattribute__(self, name)

    def __len__(self) -> int:
        raise TypeError("object of type 'IHostMemory' has no len()")

    @property
    def nbytes(self) -> int:
        return memoryview(self).nbytes

    @property
    def dtype(self) -> Any:
        return self._trt.DataType.INT8


class IBuilderConfig:
    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._pools: dict[Any, int] = {}
        self._set: set[Any] = set()
        self._profiles: list[Any] = []
        self._cache: Any = None
        self._capabilities: list[Any] = []
        self._preview: dict[Any, bool] = {}
        for name, value in (
            ("builder_optimization_level", 3),
            ("max_aux_streams", -1),
            ("max_num_tactics", -1),
            ("avg_timing_iterations", 1),
            ("progress_monitor", None),
            ("profiling_verbosity", self._trt.ProfilingVerbosity.LAYER_NAMES_ONLY),
            ("hardware_compatibility_level", self._trt.HardwareCompatibilityLevel.NONE),
        ):
            vars(self)[name] = value

    @property
    def flags(self) -> int:
        return sum(1 << int(flag) for flag in self._set)

    def set_flag(self, flag: Any) -> None:
        self._set.add(self._trt.BuilderFlag(flag))

    def clear_flag(self, flag: Any) -> None:
        self._set.discard(flag)

    def get_flag(self, flag: Any) -> bool:
        return flag in self._set

    def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None:
        self._pools[self._trt.MemoryPoolType(pool)] = pool_size

    def get_memory_pool_limit(self, pool: Any) -> int:
        return self._pools.get(pool, 2**33)

    def set_preview_feature(self, feature: Any, enable: bool) -> None:
        self._preview[self._trt.PreviewFeature(feature)] = enable

    def get_preview_feature(self, feature: Any) -> bool:
        return self._preview.get(feature, False)

    def add_optimization_profile(self, profile: Any) -> int:
        for shapes in profile._shapes.values():
            is_even = len({len(sizes) for sizes in shapes}) == 1
            if not is_even or not all(a <= b <= c for a, b, c in zip(*shapes, strict=True)):
                self._logger.log(self._trt.Logger.ERROR, "please ensure MIN<=OPT<=MAX")
                return -1
        self._profiles.append(profile)
        return len(self._profiles) - 1

    @property
    def num_optimization_profiles(self) -> int:
        return len(self._profiles)

    def create_timing_cache(self, serialized_timing_cache: bytes) -> Any:
        return self._trt.ITimingCache(bytes(serialized_timing_cache))

    def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:
        if cache._data and not cache._data.startswith(b"fake cache") and not ignore_mismatch:
            return False
        self._cache = cache
        return True

    def get_timing_cache(self) -> Any:
        return self._cache

    @property
    def num_compute_capabilities(self) -> int:
        return len(self._capabilities)

    @num_compute_capabilities.setter
    def num_compute_capabilities(self, number: int) -> None:
        self._capabilities = [self._trt.ComputeCapability.NONE] * number

    def set_compute_capability(self, compute_capability: Any, index: int) -> bool:
        if index >= len(self._capabilities):
            return False
        self._capabilities[index] = self._trt.ComputeCapability(compute_capability)
        return True

    def get_compute_capability(self, index: int) -> Any:
        return self._capabilities[index]


class Builder:
    def __init__(self, logger: Any) -> None:
        self._logger = checked_logger(self._trt, logger)
        is_blind = self._trt.__name__ == "tensorrt" and not self._trt._cuda.devices
        if is_blind or self._trt._wishes.makes_nothing:
            raise TypeError("pybind11::init(): factory function returned nullptr")

    @property
    def logger(self) -> Any:
        return self._logger

    def create_network(self, flags: int = 0) -> Any:
        if not hasattr(self._trt.BuilderFlag, "FP16"):
            flags |= 1 << int(self._trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
        return self._trt.INetworkDefinition(self, int(flags))

    def create_builder_config(self) -> Any:
        return self._trt.IBuilderConfig(self._logger)

    def create_optimization_profile(self) -> Any:
        return self._trt.IOptimizationProfile()

    def is_network_supported(self, network: Any, config: Any) -> bool:
        return True

    def build_serialized_network(self, network: Any, config: Any) -> Any:
        problem = self._problem(network, config)
        if problem is not None:
            self._logger.log(self._trt.Logger.ERROR, problem)
            return None
        if not _run_phases(config.progress_monitor):
            return None
        cache = config._cache
        if cache is not None:
            cache._data = cache._data or b"fake cache"
        trt = self._trt
        plan = Plan(
            module=trt.__name__,
            version=trt.__version__,
            name=network._name,
            capability=trt._cuda.capability if trt._cuda.devices else "",
            tensors=[
                Tensor(one._name, one._dtype, list(one._shape), one._is_input)
                for one in (*network._inputs, *network._outputs)
            ],
            profiles=[profile._shapes for profile in config._profiles],
            num_layers=len(network._nodes),
            flags=sorted(flag.name for flag in config._set),
            hardware=config.hardware_compatibility_level.name,
            onnx=network._onnx,
        )
        return trt.IHostMemory(plan.pack())

    def _problem(self, network: Any, config: Any) -> str | None:
        if not network._outputs:
            return "Network must have at least one output"
        if not network.get_flag(self._trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED):
            return "this project builds strongly typed networks only"
        is_open = any(-1 in one._shape for one in network._inputs)
        if is_open and not config._profiles:
            return "Network has dynamic or shape inputs, but no optimization profile is defined."
        largest = 0
        for profile in config._profiles:
            for tensor in network._inputs:
                shapes = profile._shapes.get(tensor._name)
                if shapes and not all(a <= b <= c for a, b, c in zip(*shapes, strict=True)):
                    return f"{tensor._name}: optimization profile is inconsistent: {shapes}"
                if shapes is None and -1 in tensor._shape:
                    return f"{tensor._name}: optimization profile is missing values"
                for shape in shapes or ():
                    pairs = zip(shape, tensor._shape, strict=True)
                    if any(fixed not in (-1, size) for size, fixed in pairs):
                        return f"{tensor._name}: a profile contradicts the shape {tensor._shape}"
                largest = max([largest, *(shape[0] for shape in shapes or ())])
        limit = self._trt._wishes.max_buildable_batch
        if limit is not None and largest > limit:
            return (
                "Error Code 10: Internal Error (Could not find any implementation for node "
                "{ForeignNode[Conv_0...Softmax_9]}.)"
            )
        return None


def _run_phases(monitor: Any) -> bool:
    """Two nested phases; whether the monitor let them finish."""
    if monitor is None:
        return True
    monitor.phase_start("Building engine", None, 2)
    goes_on = monitor.step_complete("Building engine", 0)
    if goes_on:
        monitor.phase_start("Timing tactics", "Building engine", 3)
        goes_on = all(monitor.step_complete("Timing tactics", step) for step in range(3))
        monitor.phase_finish("Timing tactics")
    goes_on = goes_on and monitor.step_complete("Building engine", 1)
    monitor.phase_finish("Building engine")
    return bool(goes_on)
