"""ONNX -> a strongly typed network of the library."""

from __future__ import annotations

from typing import Any

import onnx

from runtime.engines.sidecar import INPUTS, OUTPUTS, Binding
from runtime.engines.tensorrt.library import TensorRtLibrary, TensorRtLog
from runtime.errors import EngineError

_TYPES = {
    "BOOL": "bool",
    "FLOAT": "float32",
    "HALF": "float16",
    "INT32": "int32",
    "INT64": "int64",
    "UINT8": "uint8",
}


def parsed_network(
    library: TensorRtLibrary, log: TensorRtLog, builder: Any, graph: bytes, name: str
) -> tuple[Any, Any]:
    """Parse an engine graph.

    Args:
        library: the library.
        log: what it says.
        builder: its builder.
        graph: a serialised ONNX model.
        name: for the network, which the plan carries on.

    Returns:
        the network and the parser, which must outlive it.

    Raises:
        EngineError: naming each node and operator that the parser refuses.
    """
    trt = library.module
    flags = 0
    # 11 has strong typing only; TensorRT-RTX takes the flag, or not, as it likes.
    if hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED"):
        flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(flags)
    if network is None:
        raise EngineError(f"{library.name} {library.version} makes no network: {log.since(0)}")
    parser = trt.OnnxParser(network, log.logger)
    mark = log.mark()
    if not parser.parse(graph):
        errors = [parser.get_error(index) for index in range(parser.num_errors)]
        said = "; ".join(dict.fromkeys(_told(error, graph) for error in errors))
        raise EngineError(
            f"{library.name} {library.version} cannot take the graph: {said or log.since(mark)}; "
            "expected operators that it has, export the network without these"
        )
    network.name = name
    return network, parser


def bindings_of(network: Any) -> tuple[Binding, ...]:
    """Inputs and outputs of a network.

    Raises:
        EngineError: if they are not those of an engine graph.
    """
    bindings = []
    for mode, get, count in (
        ("input", network.get_input, network.num_inputs),
        ("output", network.get_output, network.num_outputs),
    ):
        for tensor in (get(index) for index in range(count)):
            shape = tuple(int(size) for size in tensor.shape)
            dtype = _TYPES.get(tensor.dtype.name, tensor.dtype.name.lower())
            bindings.append(Binding(tensor.name, dtype, shape, mode))
    got = {(one.name, one.dtype) for one in bindings}
    types = ("uint8", "int32", "int32", "float32")
    expected = set(zip((*INPUTS, *OUTPUTS), types, strict=True))
    if got != expected:
        raise EngineError(
            f"the parsed network has other ends: expected {sorted(expected)}, got {sorted(got)}; "
            "this is a bug, please report it"
        )
    return tuple(bindings)


def _told(error: Any, graph: bytes) -> str:
    """One parser error: operator, node, and what is wrong."""
    name, operator = str(error.node_name()), str(error.node_operator())
    nodes = onnx.load_from_string(graph).graph.node
    index = int(error.node())
    if 0 <= index < len(nodes) and not operator:
        name, operator = nodes[index].name, nodes[index].op_type
    where = f"{operator or 'graph'} {name!r}" if name or operator else "graph"
    return f"{where}: {' '.join(str(error.desc()).split())}"
