"""Runtime and engine of the fake TensorRT; onnxruntime runs its plans."""

from __future__ import annotations

import sys
import weakref
from typing import Any

import numpy as np
import onnxruntime

from tests.fakes.cuda import CudaFault
from tests.fakes.plan import Plan
from tests.fakes.tensorrt_network import checked_logger

DTYPES = {"FLOAT": "float32", "HALF": "float16", "UINT8": "uint8", "INT32": "int32"}


class Runtime:
    engine_host_code_allowed = False

    def __init__(self, logger: Any) -> None:
        self._logger = checked_logger(self._trt, logger)
        if not self._trt._cuda.was_asked or not self._trt._cuda.devices:
            raise CudaFault("Runtime before the driver is known to be there: TensorRT crashes")
        if self._trt._wishes.makes_nothing:
            raise TypeError("pybind11::init(): factory function returned nullptr")
        vars(self)["engine_host_code_allowed"] = False

    @property
    def logger(self) -> Any:
        return self._logger

    def deserialize_cuda_engine(self, serialized_engine: Any) -> Any:
        trt = self._trt
        try:
            plan = Plan.unpack(bytes(serialized_engine))
        except ValueError as error:
            return self._refuse(f"Serialization assertion failed: {error}")
        if plan.module != trt.__name__:
            return self._refuse("Serialization assertion failed: magic tag does not match")
        is_compatible = "VERSION_COMPATIBLE" in plan.flags
        if plan.version != trt.__version__ and not is_compatible:
            return self._refuse(
                "The engine plan file is not compatible with this version of TensorRT, expecting "
                f"library version {plan.version} got {trt.__version__}"
            )
        is_lean = trt is sys.modules.get("tensorrt_lean")
        if is_compatible and not is_lean and not vars(self)["engine_host_code_allowed"]:
            return self._refuse("Cannot deserialize engine with lean runtime")
        return trt.ICudaEngine(plan, self._logger)

    def get_engine_validity(self, buffer: Any) -> tuple[Any, int]:
        validity, found = self._trt.EngineValidity, self._trt.EngineInvalidityDiagnostics
        try:
            Plan.unpack(bytes(buffer))
        except ValueError:
            return validity.INVALID, int(found.MALFORMED_ENGINE) | int(found.VERSION_MISMATCH)
        return validity.VALID, 0

    def _refuse(self, why: str) -> None:
        self._logger.log(self._trt.Logger.ERROR, f"IRuntime::deserializeCudaEngine: {why}")


class EngineInspector:
    def get_engine_information(self, format: Any) -> str:
        return '{"Layers": []}'


class ICudaEngine:
    def __init__(self, plan: Plan, logger: Any) -> None:
        self._plan, self._logger = plan, logger
        self._tensors = {tensor.name: tensor for tensor in plan.tensors}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._model = onnxruntime.InferenceSession(
            plan.onnx,
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=["NchwcTransformer"],
        )
        self._output_shapes: dict[Any, dict[str, tuple[int, ...]]] = {}
        self._trt._alive.add(self)

    @property
    def name(self) -> str:
        return self._plan.name

    @property
    def num_io_tensors(self) -> int:
        return len(self._plan.tensors)

    @property
    def num_layers(self) -> int:
        return self._plan.num_layers

    @property
    def num_optimization_profiles(self) -> int:
        return len(self._plan.profiles)

    @property
    def device_memory_size_v2(self) -> int:
        return 4096

    def get_device_memory_size_for_profile_v2(self, profile_index: int) -> int:
        most = max(shapes[2][0] for shapes in self._plan.profiles[profile_index].values())
        return min(4096, 512 * most)

    @property
    def hardware_compatibility_level(self) -> Any:
        return getattr(self._trt.HardwareCompatibilityLevel, self._plan.hardware)

    def get_tensor_name(self, index: int) -> str:
        return self._plan.tensors[index].name

    def get_tensor_mode(self, name: str) -> Any:
        mode = self._trt.TensorIOMode
        if name not in self._tensors:
            return mode.NONE
        return mode.INPUT if self._tensors[name].is_input else mode.OUTPUT

    def get_tensor_dtype(self, name: str) -> Any:
        return getattr(self._trt.DataType, self._tensors[name].dtype)

    def get_tensor_shape(self, name: str) -> Any:
        return self._trt.Dims(self._tensors[name].shape)

    def get_tensor_location(self, name: str) -> Any:
        return self._trt.TensorLocation.DEVICE

    def is_shape_inference_io(self, name: str) -> bool:
        return False

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[Any]:
        shapes = self._plan.profiles[profile_index].get(name, [])
        return [self._trt.Dims(shape) for shape in shapes]

    def create_engine_inspector(self) -> Any:
        return self._trt.EngineInspector()

    def create_runtime_config(self) -> Any:
        return self._trt.IRuntimeConfig()

    def create_execution_context(self, strategy: Any = None) -> Any:
        settings = None
        if isinstance(strategy, self._trt.IRuntimeConfig):
            self._trt._runtime_configs.add(strategy)
            # The binding does not keep them.
            settings = weakref.ref(strategy)
            strategy = strategy.get_execution_context_allocation_strategy()
        if self._trt._wishes.no_contexts:
            self._logger.log(self._trt.Logger.ERROR, "createExecutionContext: out of memory")
            return None
        static = self._trt.ExecutionContextAllocationStrategy.STATIC
        strategy = static if strategy is None else strategy
        return self._trt.IExecutionContext(self, strategy, settings)

    def _shapes_of_outputs(self, inputs: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
        key = tuple(inputs.items())
        if key not in self._output_shapes:
            self._output_shapes[key] = {
                name: array.shape for name, array in self._compute(inputs, None).items()
            }
        return self._output_shapes[key]

    def _compute(self, shapes: dict[str, tuple[int, ...]], arrays: Any) -> dict[str, Any]:
        if arrays is None:
            arrays = {
                name: np.zeros(shape, DTYPES[self._tensors[name].dtype])
                for name, shape in shapes.items()
            }
        outputs = [tensor.name for tensor in self._plan.tensors if not tensor.is_input]
        return dict(zip(outputs, self._model.run(outputs, arrays), strict=True))
