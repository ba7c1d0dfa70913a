"""Largest magnitude of every float tensor, measured in FP32 on lines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from copy import deepcopy

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from export.conversion.graph_view import FLOAT, GraphView
from export.proof.emulate import cpu_session
from runtime.errors import ArtifactError

Batch = NDArray[np.float32]
_LARGEST = "__largest"


def largest_magnitudes(
    source: GraphView, input_name: str, batches: Iterable[Batch]
) -> dict[str, float]:
    """Measure the largest |value| of every float tensor, weights included.

    Each tensor is reduced to one number inside the graph, so that no more memory is needed than
    for running it.

    Args:
        source: the FP32 graph.
        input_name: where the batches go.
        batches: float32 [N, C, H, W].

    Returns:
        {tensor: largest |value|}; infinity where the FP32 network itself overflows or makes NaN.

    Raises:
        ArtifactError: if the FP32 network emits values that are not finite.
    """
    largest = {
        name: _largest(source.values_of(name)) for name in source.of_type(source.weights, FLOAT)
    }
    measured = [
        name
        for node in source.nodes
        for name in source.of_type(filter(None, node.output), FLOAT)
        if name not in largest
    ]
    session = cpu_session(_with_reductions(source, measured))
    names = [f"{name}{_LARGEST}" for name in measured]
    for batch in batches:
        largest[input_name] = max(largest.get(input_name, 0.0), _largest(batch))
        values = session.run(names, {input_name: batch})
        for name, value in zip(measured, values, strict=True):
            seen = float(value)
            largest[name] = max(largest.get(name, 0.0), seen if math.isfinite(seen) else math.inf)
    for output in source.model.graph.output:
        if math.isinf(largest.get(output.name, 0.0)):
            raise ArtifactError(
                "the FP32 network itself emits values that are not finite: expected numbers, got "
                f"NaN or infinity in {output.name}; train or export it again"
            )
    _bound_gates(source, largest)
    return largest


def gate_name(node: onnx.NodeProto) -> str:
    """Name under which the sums inside an LSTM or GRU are listed."""
    return f"{node.name} gates"


def _bound_gates(source: GraphView, largest: dict[str, float]) -> None:
    """Bound the sums inside recurrent nodes, which no tensor shows.

    |W| x + |R| h + |b| summed at the largest input measured; h is at most 1.
    """
    for node in source.nodes:
        if node.op_type not in ("LSTM", "GRU"):
            continue
        given = [*node.input, "", "", ""]
        if given[1] not in source.weights or given[2] not in source.weights:
            continue
        inputs, states = (np.abs(source.values_of(name)).sum(axis=-1) for name in given[1:3])
        bound = inputs.max() * largest.get(given[0], 1.0) + states.max()
        if given[3] in source.weights:
            bound += 2 * _largest(source.values_of(given[3]))
        largest[gate_name(node)] = float(bound)


def _with_reductions(source: GraphView, measured: list[str]) -> onnx.ModelProto:
    model = deepcopy(source.model)
    for name in measured:
        target = f"{name}{_LARGEST}"
        # Flattened, so that no rank matters; its form with an axes attribute serves all opsets.
        model.graph.node.extend(
            [
                helper.make_node("Abs", [name], [f"{name}__magnitude"], name=f"{name}__abs"),
                helper.make_node(
                    "ReduceMax", [f"{name}__magnitude"], [target], name=target, keepdims=0
                ),
            ]
        )
        model.graph.output.append(helper.make_tensor_value_info(target, FLOAT, []))
    return model


def _largest(array: NDArray[np.generic]) -> float:
    return float(np.abs(array).max()) if array.size else 0.0


def described(largest: Mapping[str, float], name: str) -> str:
    """Describe a tensor by its range, for reports."""
    return f"{name}: |value| up to {largest[name]:.4g}"
