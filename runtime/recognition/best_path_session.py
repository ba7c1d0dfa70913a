"""Networks that take 8-bit lines and choose the classes themselves, as engine graphs do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runtime.engines import Engine
from runtime.engines.tensors import Array, Filled, ShapeRange
from runtime.errors import ArtifactError, EngineError
from runtime.recognition.model.spec_of_model import with_dictionary
from runtime.recognition.preprocess import Image
from runtime.recognition.session import (
    BEST_PATH,
    CLASSES,
    CONFIDENCES,
    CONTENT_WIDTHS,
    PIXELS,
)
from runtime.recognition.spec import RecognizerSpec

_DTYPES = {PIXELS: "uint8", CONTENT_WIDTHS: "int32", CLASSES: "int32", CONFIDENCES: "float32"}
_MOST_PROBABLE = 1.001
"""Confidences may lie above 1 by what FP16 rounds, and by no more."""


class BestPathSession:
    """A `Session` whose pixels go to the engine as they are; classes and confidences come back.

    Args:
        engine: open, of an engine graph; closed with the session.
        dictionary: characters instead of the model's own, of which there must be as many.

    Raises:
        ArtifactError: if the model is no engine graph of a recogniser, or contradicts its spec.
    """

    def __init__(self, engine: Engine, dictionary: str | Path | None = None) -> None:
        where = str(engine.path)
        self.engine = engine
        got = {info.name: info.dtype for info in (*engine.inputs, *engine.outputs)}
        spec = RecognizerSpec.from_metadata(engine.metadata, where)
        if spec is None or got != _DTYPES:
            raise ArtifactError(
                f"{where} is no recogniser's engine graph: expected {_DTYPES} and a spec, got "
                f"{got}{'' if spec else ' and none'}; build it again"
            )
        if dictionary is not None:
            spec = with_dictionary(spec, dictionary, spec.num_classes, where)
        ranges = [profile[PIXELS] for profile in engine.profiles]
        self.spec = limited_spec(spec, ranges, where) if ranges else spec
        self.num_lanes = engine.num_lanes
        self.lines_at_once = engine.samples_at_once

    @property
    def description(self) -> str:
        """Engine, version, precision and device."""
        return self.engine.description

    def read(
        self, lines: Sequence[Image], width_px: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Find the best class of every time step; see `Session.read`."""
        self._check(lines, width_px)
        spec = self.spec
        sizes = {PIXELS: (spec.height, width_px, spec.channels), CONTENT_WIDTHS: ()}
        parts = self.engine.parts(len(lines), sizes)
        filled = [
            self._filled(lines[part.start : part.start + part.count], width_px, part.batch)
            for part in parts
        ]
        emitted = self.engine.run_parts(filled)
        read = [
            self._checked(outputs, part.count, shapes[PIXELS])
            for part, (shapes, _), outputs in zip(parts, filled, emitted, strict=True)
        ]
        if len(read) == 1:
            return read[0]
        return (
            np.concatenate([classes for classes, _ in read]),
            np.concatenate([confidences for _, confidences in read]),
        )

    def close(self) -> None:
        """Let go of the network."""
        self.engine.close()

    def _filled(self, lines: Sequence[Image], width_px: int, batch: int) -> Filled:
        """Return shapes of one part, and what writes it."""
        spec, count = self.spec, len(lines)

        def fill(views: Mapping[str, Array]) -> None:
            # What stands right of a line's content is masked by the network.
            views[CONTENT_WIDTHS][count:] = 0  # lines that only fill up a profile's least N
            for row, line in enumerate(lines):
                views[CONTENT_WIDTHS][row] = line.shape[1]
                views[PIXELS][row, :, : line.shape[1]] = line

        shape = (batch, spec.height, width_px, spec.channels)
        return {PIXELS: shape, CONTENT_WIDTHS: (batch,)}, fill

    def _checked(
        self, outputs: Mapping[str, Array], count: int, shape: tuple[int, ...]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return what the lines of one part are read as.

        Args:
            outputs: of the network.
            count: of the lines; what is more only filled up.
            shape: of the pixels that ran.
        """
        classes, confidences = (outputs[name] for name in BEST_PATH)
        batch = shape[0]
        if classes.ndim != 2 or classes.shape != confidences.shape or len(classes) != batch:
            raise EngineError(
                f"{self.engine.path}: expected outputs [{batch}, T] for an input of {list(shape)}, "
                f"got {list(classes.shape)} and {list(confidences.shape)}; build the engine again"
            )
        classes, confidences = classes[:count], confidences[:count]
        self._check_outputs(classes, confidences, shape)
        return classes.astype(np.int64), confidences

    def _check(self, lines: Sequence[Image], width_px: int) -> None:
        height, channels, where = self.spec.height, self.spec.channels, self.engine.path
        if not lines:
            raise EngineError(f"{where}: expected at least one line, got none")
        for line in lines:
            is_line = line.ndim == 3 and line.shape == (height, line.shape[1], channels)
            if not is_line or line.shape[1] > width_px or line.dtype != np.uint8:
                raise EngineError(
                    f"{where}: expected lines uint8 [{height}, up to {width_px}, {channels}], got "
                    f"{line.dtype} {list(line.shape)}; prepare them with "
                    "runtime.recognition.preprocess.prepare_line"
                )

    def _check_outputs(
        self,
        classes: NDArray[np.int32],
        confidences: NDArray[np.float32],
        shape: tuple[int, ...],
    ) -> None:
        where, num_classes = self.engine.path, self.spec.num_classes
        if classes.min() < 0 or classes.max() >= num_classes:
            raise EngineError(
                f"{where}: expected classes 0 to {num_classes - 1}, got {classes.min()} to "
                f"{classes.max()} for an input of {list(shape)}; build the engine again"
            )
        # The largest of K probabilities is at least 1 / K. A maximum that passes over what is no
        # number leaves its start value, far below, and class 0: a silent blank.
        is_probability = (confidences >= 0.5 / num_classes) & (confidences <= _MOST_PROBABLE)
        if not is_probability.all():
            raise EngineError(
                f"{where}: the network emitted values that are not finite, or no probabilities: "
                f"expected the best of {num_classes} classes between {1 / num_classes:.3g} and 1, "
                f"got {confidences[~is_probability][0]:.3g} for an input of {list(shape)}; build "
                "the engine again in FP32"
            )


def line_profile(shapes: ShapeRange) -> dict[str, ShapeRange]:
    """Return what an engine graph takes, of the range of a recogniser's input [N, C, H, W]."""
    in_order = (shapes.min, shapes.opt, shapes.max)
    return {
        PIXELS: ShapeRange(*((n, height, width, c) for n, c, height, width in in_order)),
        CONTENT_WIDTHS: ShapeRange(*((sizes[0],) for sizes in in_order)),
    }


def limited_spec(spec: RecognizerSpec, ranges: Sequence[ShapeRange], where: str) -> RecognizerSpec:
    """Return a spec whose width policy stays within what an engine takes.

    Args:
        spec: of the model.
        ranges: of its pixels, [N, H, W, C].
        where: the model, for messages.

    Raises:
        ArtifactError: if no width suits both, or channels or height differ.
    """
    for shapes in ranges:
        for low_or_high in (shapes.min, shapes.max):
            _, height, _, channels = low_or_high
            if (channels, height) != (spec.channels, spec.height):
                raise ArtifactError(
                    f"{where}: profiles and spec disagree: expected C = {spec.channels} and H = "
                    f"{spec.height}, got {shapes}; build it again"
                )
    widths = sorted({(shapes.min[2], shapes.max[2]) for shapes in ranges})
    narrowest = max(spec.width.min_px, min(low for low, _ in widths))
    widest = min(spec.width.max_px, max(high for _, high in widths))
    if narrowest > widest:
        told = " or ".join(
            f"{low} to {high} px" if low < high else f"{low} px" for low, high in widths
        )
        raise ArtifactError(
            f"{where}: the engine takes none of the model's widths: expected some of "
            f"{spec.width.min_px} to {spec.width.max_px} px, got {told}; build it again with other "
            "shapes"
        )
    return replace(spec, width=replace(spec.width, min_px=narrowest, max_px=widest))
