"""Logger, network and parser of the fake TensorRT: each version gets what it has.

Every class finds the fake module in `_trt`. What the module was asked to do wrong stands in
`_trt._wishes`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx

_ONNX_TYPES = {
    onnx.TensorProto.FLOAT: "FLOAT",
    onnx.TensorProto.FLOAT16: "HALF",
    onnx.TensorProto.UINT8: "UINT8",
    onnx.TensorProto.INT8: "INT8",
    onnx.TensorProto.INT32: "INT32",
    onnx.TensorProto.INT64: "INT64",
    onnx.TensorProto.BOOL: "BOOL",
}


class ILogger:
    _is_initialised = False

    def __init__(self) -> None:
        object.__setattr__(self, "_is_initialised", True)

    def log(self, severity: Any, message: str) -> None:
        raise NotImplementedError


class Logger(ILogger):
    def __init__(self, min_severity: Any = None) -> None:
        ILogger.__init__(self)
        self._min = self._trt.Logger.WARNING if min_severity is None else min_severity

    @property
    def min_severity(self) -> Any:
        return self._min

    @min_severity.setter
    def min_severity(self, severity: Any) -> None:
        self._min = severity

    def log(self, severity: Any, message: str) -> None:
        if int(severity) <= int(self._min):
            print(f"[fake TRT] {message}")


def checked_logger(trt: Any, logger: Any) -> Any:
    """As pybind11 does: the right type, and its own constructor called."""
    if not isinstance(logger, trt.ILogger):
        raise TypeError(f"incompatible constructor arguments: {logger!r}")
    if not logger._is_initialised:
        raise TypeError(f"{type(logger).__name__}.__init__() must be called when overriding")
    return logger


class IProgressMonitor:
    def __init__(self) -> None:
        pass

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        raise NotImplementedError

    def step_complete(self, phase_name: str, step: int) -> bool:
        raise NotImplementedError

    def phase_finish(self, phase_name: str) -> None:
        raise NotImplementedError


class ITensor:
    def __init__(self, name: str, dtype: str, shape: tuple[int, ...], is_input: bool) -> None:
        self._name, self._dtype, self._shape, self._is_input = name, dtype, shape, is_input

    @property
    def name(self) -> str:
        return self._name

    @property
    def dtype(self) -> Any:
        return getattr(self._trt.DataType, self._dtype)

    @property
    def shape(self) -> Any:
        return self._trt.Dims(self._shape)

    @property
    def is_network_input(self) -> bool:
        return self._is_input

    @property
    def is_network_output(self) -> bool:
        return not self._is_input

    @property
    def is_shape_tensor(self) -> bool:
        return False


class ILayer:
    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        return self._name


class INetworkDefinition:
    def __init__(self, builder: Any, flags: int) -> None:
        self._builder, self._flags, self._name = builder, flags, ""
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._nodes: list[str] = []
        self._onnx = b""

    @property
    def name(self) -> str:
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._name = name

    @property
    def builder(self) -> Any:
        return self._builder

    @property
    def flags(self) -> int:
        return self._flags

    def get_flag(self, flag: Any) -> bool:
        return bool(self._flags >> int(flag) & 1)

    @property
    def num_inputs(self) -> int:
        return len(self._inputs)

    @property
    def num_outputs(self) -> int:
        return len(self._outputs)

    @property
    def num_layers(self) -> int:
        return len(self._nodes)

    def get_input(self, index: int) -> Any:
        return self._inputs[index] if index < len(self._inputs) else None

    def get_output(self, index: int) -> Any:
        return self._outputs[index] if index < len(self._outputs) else None

    def get_layer(self, index: int) -> Any:
        return self._trt.ILayer(self._nodes[index])


class ParserError:
    def __init__(self, code: str, desc: str, node: int, name: str, operator: str) -> None:
        self._values = (code, desc, node, name, operator)

    def code(self) -> Any:
        return getattr(self._trt.ErrorCode, self._values[0])

    def desc(self) -> str:
        return self._values[1]

    def node(self) -> int:
        return self._values[2]

    def node_name(self) -> str:
        return self._values[3]

    def node_operator(self) -> str:
        return self._values[4]

    def file(self) -> str:
        return "fake_parser.cpp"

    def func(self) -> str:
        return "parse"

    def line(self) -> int:
        return 1

    def local_function_stack(self) -> list[str]:
        return []

    def local_function_stack_size(self) -> int:
        return 0


class OnnxParser:
    def __init__(self, network: Any, logger: Any) -> None:
        self._network, self._logger = network, checked_logger(self._trt, logger)
        self._errors: list[Any] = []
        self._flags = 0

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    @property
    def flags(self) -> int:
        return self._flags

    def set_flag(self, flag: Any) -> None:
        self._flags |= 1 << int(flag)

    def clear_flag(self, flag: Any) -> None:
        self._flags &= ~(1 << int(flag))

    def get_flag(self, flag: Any) -> bool:
        return bool(self._flags >> int(flag) & 1)

    def get_error(self, index: int) -> Any:
        return self._errors[index]

    def clear_errors(self) -> None:
        self._errors.clear()

    def supports_operator(self, name: str) -> bool:
        return onnx.defs.has(name) and name not in self._trt._wishes.unsupported_operators

    def parse_from_file(self, path: str) -> bool:
        return self.parse(Path(path).read_bytes(), path)

    def parse(self, model: bytes, path: str | None = None) -> bool:
        try:
            proto = onnx.load_from_string(bytes(model))
            if not proto.graph.node:
                raise ValueError("no nodes")
        except Exception as error:  # whatever protobuf says of bytes that are no model
            self._refuse("MODEL_DESERIALIZE_FAILED", f"Failed to parse the ONNX model: {error}")
            return False
        for index, node in enumerate(proto.graph.node):
            if node.domain or not self.supports_operator(node.op_type):
                self._refuse(
                    "UNSUPPORTED_NODE",
                    f"no importer registered for op: {node.op_type}",
                    (index, node.name, node.op_type),
                )
        if self._errors:
            return False
        self._take(proto)
        return True

    def _refuse(self, code: str, text: str, node: tuple[int, str, str] = (-1, "", "")) -> None:
        self._errors.append(self._trt.ParserError(code, text, *node))
        self._logger.log(self._trt.Logger.ERROR, f"In node {node[0]}: {code}: {text}")

    def _take(self, proto: onnx.ModelProto) -> None:
        weights = {initializer.name for initializer in proto.graph.initializer}
        network = self._network
        for values, target, is_input in (
            (proto.graph.input, network._inputs, True),
            (proto.graph.output, network._outputs, False),
        ):
            for value in values:
                if value.name not in weights:
                    shape = tuple(
                        size.dim_value if size.HasField("dim_value") else -1
                        for size in value.type.tensor_type.shape.dim
                    )
                    dtype = _ONNX_TYPES[value.type.tensor_type.elem_type]
                    target.append(self._trt.ITensor(value.name, dtype, shape, is_input))
        network._nodes.extend(node.name for node in proto.graph.node)
        network._onnx = proto.SerializeToString()
        network._name = network._name or proto.graph.name
