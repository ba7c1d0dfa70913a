"""Recognition on an engine: lines in, the best class of every time step out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from runtime.engines import open_engine
from runtime.recognition.preprocess import Image
from runtime.recognition.spec import RecognizerSpec

PIXELS, CONTENT_WIDTHS = "pixels", "content_widths"
CLASSES, CONFIDENCES = "classes", "confidences"
LINE_INPUTS, BEST_PATH = (PIXELS, CONTENT_WIDTHS), (CLASSES, CONFIDENCES)
"""Tensors of a network that normalises and chooses classes itself: uint8 [N, H, W, C] and int32
[N] -> int32 [N, T] and float32 [N, T]."""


@runtime_checkable
class Session(Protocol):
    """A loaded recogniser, ready to run. Several threads may use it at once."""

    @property
    def spec(self) -> RecognizerSpec:
        """What the network expects and emits."""

    @property
    def description(self) -> str:
        """Engine, version, device and threads obtained, for logs and reports."""

    @property
    def num_lanes(self) -> int:
        """How many calls at once keep its device busy; more are allowed."""

    @property
    def lines_at_once(self) -> int | None:
        """More lines in one call than this gain nothing; None where more are always better."""

    def read(
        self, lines: Sequence[Image], width_px: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Find the best class and its probability at every time step.

        Normalising and padding are the session's affair, so that a GPU may do them.

        Args:
            lines: uint8 [H, w, C] each, as `prepare_line` gives them, w <= `width_px`.
            width_px: W of the network's input, the same for all.

        Returns:
            integer [N, T] and float32 [N, T].

        Raises:
            EngineError: if the engine fails, or the network emits what is not a number.
        """

    def close(self) -> None:
        """Let go of the network; running it afterwards is an `EngineError`."""


@runtime_checkable
class ProbabilitySession(Session, Protocol):
    """A session that hands out the probability of every class, not of the best alone."""

    def read_with_probabilities(
        self, lines: Sequence[Image], width_px: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
        """Read as `Session.read`, and return the probabilities too, float32 [N, T, K]."""


def open_session(
    model_path: str | Path,
    dictionary: str | Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    device_id: int = 0,
    shared: bool = False,
    precision: str = "auto",
) -> Session:
    """Open a recogniser with the engine that its suffix asks for.

    Args:
        model_path, device, threads, device_id, shared, precision: as
            `runtime.engines.open_engine`.
        dictionary: one character per line; needed only by a model that carries none, and used
            instead of the model's own when given.

    Raises:
        ArtifactError: if the model or the dictionary is missing, damaged or contradictory.
        EngineError: if the engine is not installed, or the device asked for is not to be had.
    """
    engine = open_engine(model_path, device, threads, device_id, shared, precision)
    try:
        if {info.name for info in engine.inputs} == set(LINE_INPUTS):
            from runtime.recognition.best_path_session import BestPathSession

            return BestPathSession(engine, dictionary)

        from runtime.recognition.score_session import ScoreSession

        return ScoreSession(engine, dictionary)
    except BaseException:
        engine.close()
        raise
