"""Opens a detector that differs from what its model says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from runtime.detection.detector import Detector
from runtime.detection.session import open_session


def open_detector(
    model: str,
    *,
    sizes: Mapping[str, Any],
    boxes: Mapping[str, Any],
    device: str = "auto",
    threads: int | None = None,
    device_id: int = 0,
    precision: str = "auto",
    **options: Any,
) -> Detector:
    """Open a detector.

    Args:
        model: path of the model file.
        sizes, boxes: fields of `SizePolicy` and `BoxOptions` in the place of the model's.
        device, threads, device_id, precision: as `Detector`.
        options: other arguments of `Detector`.

    Raises:
        OcrError: as `Detector`.
    """
    session = open_session(model, device, threads, device_id, shared=True, precision=precision)
    try:
        return Detector(
            session,
            threads=threads,
            sizes=replace(session.spec.sizes, **sizes),
            boxes=replace(session.spec.boxes, **boxes),
            **options,
        )
    except BaseException:
        session.close()
        raise
