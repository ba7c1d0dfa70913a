"""A Triton Inference Server model repository around an exported detector.

Triton batches requests of equal shape only: pages of one size, as the runtime does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from export.detection.ranges import usual_size
from export.pbtxt import parameters, quoted, tensor, write_model
from runtime.detection.spec import CHANNELS, DetectorSpec

MAX_BATCH_SIZE = 8
QUEUE_DELAY_US = 2000
"""How long a request may wait for others of its size, in microseconds."""


def write_repository(
    folder: Path, name: str, model: bytes, spec: DetectorSpec, batch_size: int | None = None
) -> Path:
    """Write `<name>/config.pbtxt` and `<name>/1/model.onnx`.

    Args:
        folder: the repository.
        name: of the model in Triton.
        model: the ONNX file.
        spec: of the model.
        batch_size: N when the model's is fixed, None when it is open.

    Returns:
        Folder of the model.
    """
    place = folder / name
    write_model(place, model, _config(name, spec, batch_size))
    return place


def _config(name: str, spec: DetectorSpec, batch_size: int | None) -> Iterator[str]:
    # Of a model whose N is fixed Triton wants it among the dimensions, and batches nothing.
    batch = [] if batch_size is None else [batch_size]
    yield f"name: {quoted(name)}"
    yield 'platform: "onnxruntime_onnx"'
    yield f"max_batch_size: {0 if batch else MAX_BATCH_SIZE}"
    yield tensor("input", spec.input_name, [*batch, CHANNELS, -1, -1])
    yield tensor("output", spec.output_name, [*batch, 1, -1, -1])
    if not batch:
        yield f"dynamic_batching {{ max_queue_delay_microseconds: {QUEUE_DELAY_US} }}"
    height, width = usual_size(spec.sizes)
    yield "model_warmup {"
    yield f"  name: {quoted(f'{height} x {width} px')}"
    yield "  batch_size: 1"  # a sample of 0 is skipped
    yield f"  inputs {{ key: {quoted(spec.input_name)}"
    dims = [*batch, CHANNELS, height, width]
    yield f"    value {{ data_type: TYPE_FP32, dims: {dims}, zero_data: true }} }}"
    yield "}"
    preprocessing = f"(x * {spec.scale} - mean) / std on {spec.color_order}"
    yield from parameters({**spec.to_metadata(), "preprocessing": preprocessing})
