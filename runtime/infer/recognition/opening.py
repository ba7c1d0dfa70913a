"""How a recogniser is opened, in this process or on many machines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.images.read import DEFAULT_MAX_PIXELS, ImageSource, source_name
from runtime.infer.opening import opening_of
from runtime.recognition.result import Recognition

if TYPE_CHECKING:
    from runtime.cluster.opening import Opening

LINES_PER_SHARD = {0: 64, 1: 1024}
"""On a CPU every line runs alone, a GPU needs full batches."""


def recognizer_opening(model: str | Path, options: dict[str, Any]) -> Opening:
    """Return how a recogniser is opened.

    Args:
        model: path of the model file.
        options: other arguments of `Recognizer`.
    """
    return opening_of(
        "runtime.recognition.recognizer:Recognizer",
        {"model": model},
        {name: value for name, value in options.items() if name != "dictionary"},
        max_pixels=options.get("max_pixels") or DEFAULT_MAX_PIXELS,
        files=[("dictionary", options.get("dictionary"))],
    )


def failed_line(source: ImageSource, error: str) -> Recognition:
    """Return the result of a line that could not be read."""
    return Recognition(text="", confidence=0.0, source=source_name(source), error=error)
