"""A teacher marks text on pages: decoded images in, maps of probabilities out."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.detection.preprocess import Image
from runtime.detection.session import DetectionSession, open_session
from runtime.detection.spec import DetectorSpec
from runtime.errors import EngineError
from training.detection.teacher.readings import LEVELS
from training.distillation.teacher.cache import ReadingCache, key_of
from training.distillation.teacher.section import TeacherPlan

_FORMAT = 1
"""Of what is kept; another one is made anew."""


@dataclass(frozen=True)
class PageTeacher:
    """A detector in an ONNX file, which marks text on images of the size that they have.

    Images are normalised as it was trained. One thread runs it, so that not a bit depends on the
    machine's load; what was marked once is kept. It can be pickled: each process opens the file
    for itself, with the first image.

    Args:
        plan: names the file.
    """

    plan: TeacherPlan

    def __getstate__(self) -> dict[str, Any]:
        return {"plan": self.plan}

    def check(self) -> None:
        """Open the file; raises ArtifactError or EngineError if it cannot teach."""
        _ = self.view

    def notes(self) -> list[str]:
        """Say how it sees images."""
        spec = self.spec
        return [
            f"{self.plan.name} marks text on {spec.color_order} images, "
            f"(x * {spec.scale:.4g} - {list(spec.mean)}) / {list(spec.std)}"
        ]

    def read(self, images: Sequence[Image]) -> list[NDArray[np.uint8]]:
        """Mark text.

        Args:
            images: BGR uint8 [h, w, 3] each, sides multiples of 32 px.

        Returns:
            How probable it is that a pixel lies inside a line of text, from 0 to `LEVELS`, uint8
            [h, w] each; the same bits whether it was kept or is new.

        Raises:
            ArtifactError: if the file cannot be used.
            EngineError: if the network fails on an image.
        """
        return [self._read(image) for image in images]

    @property
    def spec(self) -> DetectorSpec:
        """What the network expects and emits; raises ArtifactError if that cannot be told."""
        return self._session.spec

    def takes(self, height: int, width: int) -> bool:
        """Tell whether the network takes images of this size in px."""
        ranges = self._session.size_ranges
        return not ranges or any(
            found.min_height <= height <= found.max_height
            and found.min_width <= width <= found.max_width
            for found in ranges
        )

    @cached_property
    def view(self) -> str:
        """Hash of everything besides the image that decides what is marked."""
        spec = self.spec
        told = {
            "format": [_FORMAT, LEVELS],
            "file": self.plan.sha256,
            "input": [spec.color_order, spec.scale, spec.mean, spec.std],
            "has_logits": getattr(self._session, "has_logits", False),
        }
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def _read(self, image: Image) -> NDArray[np.uint8]:
        height, width = image.shape[:2]
        key = key_of(self.view, image)
        kept = self._cache.get(key)
        levels = None if kept is None else _unpacked(kept, height * width)
        if levels is None:
            levels = self._ask(image)
            self._cache.put(key, zlib.compress(levels.tobytes()))
        return levels.reshape(height, width)

    def _ask(self, image: Image) -> NDArray[np.uint8]:
        """Run the network on an image."""
        pixels = image[:, :, ::-1] if self.spec.color_order == "RGB" else image
        (found,) = self._session.maps([np.ascontiguousarray(pixels)])
        if not np.isfinite(found).all():
            raise EngineError(
                f"{self.plan.onnx}: the network emitted values that are not finite for an image of "
                f"{list(image.shape)}; use its FP32 form"
            )
        return np.rint(np.clip(found, 0, 1) * LEVELS).astype(np.uint8)

    @cached_property
    def _cache(self) -> ReadingCache:
        return self.plan.cache

    @cached_property
    def _session(self) -> DetectionSession:
        return open_session(self.plan.onnx, "cpu", threads=1)


def _unpacked(data: bytes, size: int) -> NDArray[np.uint8] | None:
    """Return a map of so many pixels; None if the bytes are none."""
    try:
        content = zlib.decompressobj().decompress(data, size + 1)
    except zlib.error:
        return None
    return np.frombuffer(content, np.uint8) if len(content) == size else None
