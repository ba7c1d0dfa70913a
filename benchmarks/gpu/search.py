"""Keeps the fastest of onnxruntime's ways to find convolutions for whoever opens the model next."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

from benchmarks.gpu.reading import Reading
from runtime.engines.conv_search import SEARCH_VARIABLE, MeasuredSearch, keep_search
from runtime.engines.cuda.driver import gpu_name
from runtime.errors import EngineError
from runtime.files import sha256_of_file


def keep_fastest(model: Path, readings: Mapping[str, Reading], device_id: int) -> str:
    """Keep the way that took the least time over all passes, the first included.

    Args:
        model: the file that was read with.
        readings: by search, those whose texts are the CPU's.
        device_id: number of the GPU.

    Returns:
        what was kept, in words.

    Raises:
        EngineError: if there is nothing to choose from, or nowhere to keep it.
    """
    if len(readings) < 2:
        raise EngineError(
            f"no search was chosen: expected two that read as the CPU does, got {len(readings)}"
        )
    seconds = {search: round(reading.total_s, 4) for search, reading in readings.items()}
    fastest = min(seconds, key=lambda search: seconds[search])
    name, remedy = gpu_name(device_id), f"set {SEARCH_VARIABLE}={fastest} instead"
    if not name:
        raise EngineError(f"not kept: the driver does not tell the GPU's name; {remedy}")
    some = readings[fastest]
    measured = MeasuredSearch(
        search=fastest,
        onnxruntime=_version(),
        gpu=name,
        model_sha256=sha256_of_file(model),
        shapes=f"{len(some.texts)} lines, {1 + len(some.lines_per_s)} passes",
        seconds=seconds,
    )
    try:
        path = keep_search(model, measured)
    except OSError as error:
        raise EngineError(f"not kept beside {model}: {error.strerror}; {remedy}") from error
    return f"{fastest} is fastest ({seconds}); kept in {path}"


def _version() -> str:
    """Version of onnxruntime, as the engine compares it."""
    return str(importlib.import_module("onnxruntime").__version__)
