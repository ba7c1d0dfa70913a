"""A Triton Inference Server model repository around an exported ONNX model.

Triton batches requests of equal shape only, so clients that pad each line to its own input width
(`WidthPolicy.input_width`) are batched across callers without one line's width touching another's
result. The widths most used are warmed up as the server starts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from export.pbtxt import parameters, quoted, tensor, write_model
from runtime.recognition.spec import RecognizerSpec

MAX_BATCH_SIZE = 32
QUEUE_DELAY_US = 2000
"""How long a request may wait for others of its width, in microseconds."""
NUM_WARMED_UP = 10
LABELS = "labels.txt"


def write_repository(
    folder: Path,
    name: str,
    model: bytes,
    spec: RecognizerSpec,
    batch_size: int | None = None,
    widths_px: Sequence[int] = (),
) -> Path:
    """Write `<name>/config.pbtxt`, `<name>/labels.txt` and `<name>/1/model.onnx`.

    Args:
        folder: the repository.
        name: of the model in Triton.
        model: the ONNX file.
        spec: of the model.
        batch_size: N when the model's is fixed, None when it is open.
        widths_px: input widths to warm up; the narrowest of the width policy by default.

    Returns:
        Folder of the model.
    """
    place = folder / name
    write_model(place, model, _config(name, spec, batch_size, widths_px or width_buckets(spec)))
    labels = "".join(f"{label}\n" for label in ("blank", *spec.characters))
    (place / LABELS).write_text(labels, encoding="utf-8")
    return place


def width_buckets(spec: RecognizerSpec, count: int = NUM_WARMED_UP) -> list[int]:
    """Return the `count` narrowest input widths in px that the width policy gives."""
    policy = spec.width
    first = policy.input_width(1)
    widths = range(first, policy.max_px + policy.step_px, policy.step_px)
    return sorted({policy.input_width(width) for width in widths[:count]})


def _config(
    name: str, spec: RecognizerSpec, batch_size: int | None, widths_px: Sequence[int]
) -> Iterator[str]:
    is_fixed = spec.width.min_px == spec.width.max_px
    line = [spec.channels, spec.height, spec.width.max_px if is_fixed else -1]
    # Of a model whose N is fixed Triton wants it among the dimensions, and batches nothing.
    batch = [] if batch_size is None else [batch_size]
    yield f"name: {quoted(name)}"
    yield 'platform: "onnxruntime_onnx"'
    yield f"max_batch_size: {0 if batch else MAX_BATCH_SIZE}"
    yield tensor("input", spec.input_name, [*batch, *line])
    yield tensor("output", spec.output_name, [*batch, -1, spec.num_classes], LABELS)
    if not batch:
        yield f"dynamic_batching {{ max_queue_delay_microseconds: {QUEUE_DELAY_US} }}"
    for width_px in widths_px:
        dims = [*batch, spec.channels, spec.height, width_px]
        yield "model_warmup {"
        yield f"  name: {quoted(f'{width_px} px')}"
        yield f"  batch_size: {1 if batch else MAX_BATCH_SIZE}"  # a sample of 0 is skipped
        yield f"  inputs {{ key: {quoted(spec.input_name)}"
        yield f"    value {{ data_type: TYPE_FP32, dims: {dims}, zero_data: true }} }}"
        yield "}"
    described = {
        **spec.to_metadata(),
        "width_buckets": json.dumps(list(widths_px)),
        "preprocessing": f"(x / 255 - mean) / std on {spec.color_order}, then 0.0 to the right",
    }
    yield from parameters(described)
