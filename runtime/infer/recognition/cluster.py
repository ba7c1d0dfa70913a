"""Lines read with recognisers on many machines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runtime.cluster.readers import ClusterReader
from runtime.errors import OcrError
from runtime.infer.recognition.opening import LINES_PER_SHARD, failed_line, recognizer_opening
from runtime.recognition.result import Recognition


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
