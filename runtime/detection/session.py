"""Detection on an engine: pages in, maps of probabilities out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from runtime.detection.preprocess import Image
from runtime.detection.sizes import SizeRange
from runtime.detection.spec import DetectorSpec
from runtime.engines import open_engine

PIXELS, PROBABILITIES = "pixels", "probabilities"
"""Tensors of a network that normalises itself: uint8 [N, H, W, C] -> float32 [N, 1, H, W]."""


@runtime_checkable
class DetectionSession(Protocol):
    """A loaded detector, ready to run. Several threads may use it at once."""

    @property
    def spec(self) -> DetectorSpec:
        """What the network expects and emits."""

    @property
    def description(self) -> str:
        """Engine, version, device and threads obtained, for logs and reports."""

    @property
    def size_ranges(self) -> Sequence[SizeRange]:
        """Heights and widths that it takes, in one or another range; empty where it takes all."""

    @property
    def is_on_cpu(self) -> bool:
        """Whether the network runs on the CPU."""

    @property
    def num_lanes(self) -> int:
        """How many calls at once keep its device busy; more are allowed."""

    @property
    def images_at_once(self) -> int | None:
        """More images in one call than this gain nothing; None where more are always better."""

    def maps(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Tell how probable it is that a pixel lies inside a line of text.

        Normalising is the session's affair, so that a GPU may do it.

        Args:
            images: uint8 [H, W, 3] each, all of one size, as `prepare_page` gives them.

        Returns:
            float32 [N, H, W]; what the network emits, so it may hold what is not a number.

        Raises:
            EngineError: if the engine fails, or its output is no such map.
        """

    def close(self) -> None:
        """Let go of the network; running it afterwards is an `EngineError`."""


def open_session(
    model_path: str | Path,
    device: str = "auto",
    threads: int | None = None,
    device_id: int = 0,
    shared: bool = False,
    precision: str = "auto",
) -> DetectionSession:
    """Open a detector with the engine that its suffix asks for.

    Args:
        model_path, device, threads, device_id, shared, precision: as
            `runtime.engines.open_engine`.

    Raises:
        ArtifactError: if the model is missing, damaged, contradictory, or no detector.
        EngineError: if the engine is not installed, or the device asked for is not to be had.
    """
    engine = open_engine(model_path, device, threads, device_id, shared, precision)
    try:
        if [info.name for info in engine.inputs] == [PIXELS]:
            from runtime.detection.pixel_session import PixelSession

            return PixelSession(engine)

        from runtime.detection.map_session import MapSession

        return MapSession(engine)
    except BaseException:
        engine.close()
        raise
