"""TensorRT engines: 8-bit lines go up, classes and confidences come down."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runtime.engines.tensorrt.engine import TensorRtEngine
from runtime.engines.tensorrt.lane import Lane
from runtime.engines.tensorrt.profiles import Part, parts_of
from runtime.errors import EngineError
from runtime.recognition.preprocess import Image
from runtime.recognition.spec import RecognizerSpec

logger = logging.getLogger(__name__)

_TITLES = {"tensorrt": "TensorRT", "tensorrt_rtx": "TensorRT-RTX"}


class TensorRtSession:
    """A `Session` of TensorRT, with a context, a stream and buffers of its own.

    One thread at a time uses it; for several threads make as many sessions of one engine
    (`another`).

    Args:
        engine: open; the last of its sessions takes it along when it closes.
        use_graphs: whether shapes that come again are captured into CUDA graphs.

    Raises:
        EngineError: if the GPU is short of memory; nothing is held then.
    """

    def __init__(self, engine: TensorRtEngine, use_graphs: bool = True) -> None:
        self._engine, self._use_graphs = engine, use_graphs
        self._lane = Lane(engine, use_graphs)
        logger.info("%s: %s", engine.path, self.description)

    @property
    def spec(self) -> RecognizerSpec:
        """What the network expects and emits, its widths limited to what the engine takes."""
        return self._engine.spec

    @property
    def engine(self) -> TensorRtEngine:
        """What this session shares with others."""
        return self._engine

    @property
    def description(self) -> str:
        """Library, version, precision and GPU."""
        library, gpu = self._engine.library, self._engine.gpu
        precision = self._engine.sidecar.precision.get("achieved", "unknown precision")
        return (
            f"{_TITLES[library.name]} {library.version}, {precision}, {gpu.name} "
            f"(number {gpu.device_id}), {self._engine.cuda.name}"
        )

    def another(self) -> TensorRtSession:
        """A session of the same engine, for another thread."""
        return TensorRtSession(self._engine, self._use_graphs)

    def read(
        self, lines: Sequence[Image], width_px: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """As `Session.read`."""
        engine = self._engine
        self._check(lines, width_px)
        parts = parts_of(len(lines), width_px, engine.sidecar.profiles, str(engine.path))
        read = [self._read_part(lines, width_px, part) for part in parts]
        if len(read) == 1:
            return read[0]
        return (
            np.concatenate([classes for classes, _ in read]),
            np.concatenate([confidences for _, confidences in read]),
        )

    def close(self) -> None:
        """As `Session.close`."""
        try:
            self._lane.close()
        except EngineError as error:
            # Everything was given back that could be, and there is nothing left to be done.
            logger.warning("%s: closing: %s", self._engine.path, str(error))

    def _read_part(
        self, lines: Sequence[Image], width_px: int, part: Part
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        lane = self._lane
        pixels, content_widths = lane.prepare(part.profile, part.batch, width_px)
        content_widths[part.count :] = 0  # lines that only fill up a profile's least N
        for row in range(part.count):
            line = lines[part.start + row]
            content_widths[row] = line.shape[1]
            pixels[row, :, : line.shape[1]] = line
        lane.upload()
        lane.compute()
        lane.download()
        lane.synchronize()
        classes, confidences = lane.outputs()
        classes, confidences = classes[: part.count], confidences[: part.count]
        self._check_outputs(classes, confidences, width_px)
        return classes.astype(np.int64), confidences.copy()

    def _check(self, lines: Sequence[Image], width_px: int) -> None:
        height, channels = self.spec.height, self.spec.channels
        if not lines:
            raise EngineError(f"{self._engine.path}: expected at least one line, got none")
        for line in lines:
            if line.shape != (height, line.shape[1], channels) or line.shape[1] > width_px:
                raise EngineError(
                    f"{self._engine.path}: expected lines uint8 [{height}, up to {width_px}, "
                    f"{channels}], got {line.dtype} {list(line.shape)}; prepare them with "
                    "runtime.recognition.preprocess.prepare_line"
                )

    def _check_outputs(
        self, classes: NDArray[np.int32], confidences: NDArray[np.float32], width_px: int
    ) -> None:
        shape = [len(classes), self.spec.channels, self.spec.height, width_px]
        if not np.isfinite(confidences).all():
            raise EngineError(
                f"{self._engine.path}: the network emitted values that are not finite for an input "
                f"of {shape}; build the engine again in FP32"
            )
        if classes.min() < 0 or classes.max() >= self.spec.num_classes:
            raise EngineError(
                f"{self._engine.path}: expected classes 0 to {self.spec.num_classes - 1}, got "
                f"{classes.min()} to {classes.max()} for an input of {shape}; rebuild: "
                f"{self._engine.sidecar.rebuild_command}"
            )


def open_tensorrt(
    path: Path, dictionary: str | Path | None, device: str, device_id: int = 0
) -> TensorRtSession:
    """Open a plan with a session of its own.

    Args:
        path: the plan.
        dictionary, device, device_id: as `runtime.engines.open_session`.

    Raises:
        ArtifactError: as `TensorRtEngine`.
        EngineError: as `TensorRtEngine`, or if the CPU was asked for.
    """
    if device == "cpu":
        raise EngineError(
            f"{path}: a TensorRT engine runs on a GPU only: expected device auto or cuda, got cpu; "
            "give the .onnx file that it was built from"
        )
    return TensorRtSession(TensorRtEngine(path, dictionary=dictionary, device_id=device_id))
