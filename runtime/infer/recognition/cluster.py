"""Lines read with recognisers on many machines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runtime.cluster.opening import Opening
from runtime.cluster.readers import ClusterReader
from runtime.errors import OcrError
from runtime.images.read import DEFAULT_MAX_PIXELS, ImageSource, source_name
from runtime.infer.opening import opening_of
from runtime.recognition.result import Recognition

LINES_PER_SHARD = {0: 64, 1: 1024}
"""On a CPU every line runs alone, a GPU needs full batches."""


class ClusterRecognizer(ClusterReader[Recognition]):
    """Reads like `Recognizer`, as a `ClusterReader`.

    Args:
        model: path of the model file, which is sent to machines that share no files.
        address, files, threads: as `ClusterReader`.
        options: other arguments of `Recognizer`.

    Raises:
        OcrError: as `ClusterReader`, or if `compat` is given, whose batches depend on all images.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        address: str | None = None,
        files: str = "auto",
        threads: int | None = None,
        **options: Any,
    ) -> None:
        if options.get("compat") is not None:
            raise OcrError(
                "PaddleOCR's batches need all images at once: expected no compat with readers on "
                f"a cluster, got {options['compat']!r}; leave one of them out"
            )
        opening = recognizer_opening(model, options)
        super().__init__(
            opening,
            failed_line,
            LINES_PER_SHARD,
            address=address,
            files=files,
            threads=threads,
        )


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
