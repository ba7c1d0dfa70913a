"""Reads an ONNX file that may come from anywhere: bounded, whole, its weights numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from runtime.engines.onnx_weights import check_files, weights_of
from runtime.errors import ArtifactError
from runtime.fields import shown

MOST_BYTES = 2**31 - 1
"""Of a file and of all weights together: protobuf writes no larger message."""
_Type = onnx.TensorProto
MOST_VALUES = 2**27
"""Of an input whose shape is fixed: 32 lines of 48 px, 29,000 px wide."""
_NUM_BYTES = {
    **dict.fromkeys((_Type.BOOL, _Type.INT8, _Type.UINT8), 1),
    **dict.fromkeys((_Type.FLOAT8E4M3FN, _Type.FLOAT8E4M3FNUZ), 1),
    **dict.fromkeys((_Type.FLOAT8E5M2, _Type.FLOAT8E5M2FNUZ), 1),
    **dict.fromkeys((_Type.FLOAT16, _Type.BFLOAT16, _Type.INT16, _Type.UINT16), 2),
    **dict.fromkeys((_Type.FLOAT, _Type.INT32, _Type.UINT32), 4),
    **dict.fromkeys((_Type.DOUBLE, _Type.INT64, _Type.UINT64, _Type.COMPLEX64), 8),
    _Type.COMPLEX128: 16,
}
"""Of one value in `raw_data`, by its type."""
_PACKED = (_Type.INT4, _Type.UINT4)
"""Two values a byte."""
_COMPLEX = (_Type.COMPLEX64, _Type.COMPLEX128)
_FLOATS = (_Type.FLOAT, _Type.DOUBLE, _Type.FLOAT16)


def load_model(path: Path) -> onnx.ModelProto:
    """Read an ONNX file, weights that lie in files beside it too.

    No more is read than the shapes of the weights ask for, and that from the model's folder alone.

    Raises:
        ArtifactError: if it is missing, larger than `MOST_BYTES` or damaged, holds no network, or
            its weights are elsewhere, incomplete or not numbers.
    """
    try:
        if not path.is_file():
            raise _read_error(path, "it is a folder" if path.is_dir() else "there is no such file")
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise _read_error(path, f"expected at most 2 GiB, got {size / 2**30:.1f} GiB")
        if size:
            check_files(path, weights_of(path))
        model = onnx.load(str(path), load_external_data=False)
        if not model.graph.node:
            raise _read_error(path, "it is empty" if not size else "there is no network in it")
        _check_opset(model, path)
        _complete_weights(model, path)
        _check_inputs(model, path)
    except ArtifactError:
        raise
    except Exception as error:  # protobuf's DecodeError is a class of its C extension
        reason = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        raise _read_error(path, str(reason)) from error
    return model


def _check_opset(model: onnx.ModelProto, path: Path) -> None:
    opsets = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    newest = onnx.defs.onnx_opset_version()
    if not opsets or not all(1 <= opset <= newest for opset in opsets):
        raise ArtifactError(
            f"{path}: unknown opset: expected 1 to {newest}, which onnx {onnx.__version__} knows, "
            f"got {', '.join(map(str, opsets)) or 'none'}; export the model with a lower one"
        )


def _check_inputs(model: onnx.ModelProto, path: Path) -> None:
    for value in model.graph.input:
        shape = [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        if math.prod(size for size in shape if size > 0) > MOST_VALUES:
            raise ArtifactError(
                f"{path}: its input {shown(value.name)} is too large for text lines: expected at "
                f"most {MOST_VALUES} values, got the fixed shape {shape}; export it with N and W "
                "open"
            )


def _complete_weights(model: onnx.ModelProto, path: Path) -> None:
    """Check every weight against its shape, and put in what lies in other files."""
    total = 0
    for tensor in _tensors(model):
        what = f"weight {shown(tensor.name)}"
        num_values = math.prod(tensor.dims)
        if any(size < 0 for size in tensor.dims):
            raise _read_error(path, f"{what} has the shape {list(tensor.dims)}")
        if tensor.data_type == _Type.STRING:
            continue
        if tensor.data_type not in (*_NUM_BYTES, *_PACKED):
            raise _read_error(path, f"{what} has the unknown type {tensor.data_type}")
        num_bytes = _num_bytes(tensor, num_values)
        total += num_bytes
        if total > MOST_BYTES:
            raise _read_error(path, f"expected at most 2 GiB of weights, got more with {what}")
        if tensor.data_location == _Type.EXTERNAL:
            _read_beside(tensor, path, num_bytes)
        expected, got = _lengths(tensor, num_values, num_bytes)
        if expected != got:
            raise _read_error(
                path,
                f"{what} is incomplete: expected {expected} for {list(tensor.dims)}, got {got}",
            )
        if tensor.data_type in _FLOATS and np.isnan(numpy_helper.to_array(tensor)).any():
            raise ArtifactError(
                f"{path}: its weights are not numbers: expected finite ones, got NaN in {what}; "
                "take an earlier checkpoint and export it again"
            )


def _read_beside(tensor: onnx.TensorProto, path: Path, num_bytes: int) -> None:
    """Take a weight's bytes from its file, which `check_files` has seen."""
    place = {entry.key: entry.value for entry in tensor.external_data}
    if "location" not in place:
        raise _read_error(path, f"weight {shown(tensor.name)} lies in a file without a name")
    offset = int(place.get("offset") or 0)
    with (path.parent / place["location"].replace("\\", "/")).open("rb") as file:
        file.seek(offset)
        tensor.raw_data = file.read(num_bytes)
    tensor.data_location = _Type.DEFAULT
    del tensor.external_data[:]


def _num_bytes(tensor: onnx.TensorProto, num_values: int) -> int:
    if tensor.data_type in _PACKED:
        return (num_values + 1) // 2
    return num_values * _NUM_BYTES[tensor.data_type]


def _lengths(tensor: onnx.TensorProto, num_values: int, num_bytes: int) -> tuple[int, int]:
    """Return the length a weight's data should have and has, in bytes or values as stored."""
    values = getattr(tensor, helper.tensor_dtype_to_field(tensor.data_type))
    if not values:
        return num_bytes, len(tensor.raw_data)
    if tensor.data_type in _PACKED:
        return num_bytes, len(values)
    return num_values * (2 if tensor.data_type in _COMPLEX else 1), len(values)


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Yield every tensor with values, those of nodes and inner graphs too."""
    graphs = [model.graph]
    nodes = [node for function in model.functions for node in function.node]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            nodes += graph.node
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
            continue
        for attribute in nodes.pop().attribute:
            graphs += [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]
            yield from (*attribute.tensors, *([attribute.t] if attribute.HasField("t") else []))


def _read_error(path: Path, reason: str) -> ArtifactError:
    return ArtifactError(
        f"cannot read the model {path}: {reason}; expected an ONNX file, export it again"
    )
