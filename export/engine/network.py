"""ONNX -> a strongly typed network of the library."""

from __future__ import annotations

from typing import Any

import onnx

from runtime.engines.sidecar_fields import Binding
from runtime.engines.tensorrt.bindings import DTYPES
from runtime.engines.tensorrt.library import TensorRtLibrary, TensorRtLog
from runtime.errors import EngineError


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
    """Return the inputs and outputs of a network."""
    bindings = []
    for mode, get, count in (
        ("input", network.get_input, network.num_inputs),
        ("output", network.get_output, network.num_outputs),
    ):
        for tensor in (get(index) for index in range(count)):
            shape = tuple(int(size) for size in tensor.shape)
            dtype = DTYPES.get(tensor.dtype.name, tensor.dtype.name.lower())
            bindings.append(Binding(tensor.name, dtype, shape, mode))
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
