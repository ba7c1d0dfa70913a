"""Networks that take normalised pages and emit a map of probabilities, as they are exported."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from runtime.detection.model.ends import Ends, ends_of
from runtime.detection.model.spec_of_model import inferred_spec
from runtime.detection.preprocess import Image, normalize_into
from runtime.detection.sizes import SizeRange
from runtime.detection.spec import DetectorSpec
from runtime.engines import Engine
from runtime.engines.tensors import full_parts
from runtime.errors import ArtifactError, EngineError

logger = logging.getLogger(__name__)

_TRIAL_PX = (64, 96)
_LEAST, _MOST = -0.01, 1.01
"""Probabilities may lie beyond 0 and 1 by what FP16 rounds, and by no more."""


class MapSession:
    """A `DetectionSession` that normalises pages itself.

    A model that carries no spec is read as PaddleOCR's are; one that emits logits is told by a
    run, and its maps are made probabilities.

    Args:
        engine: open; closed with the session.

    Raises:
        ArtifactError: if the file is damaged, no detector, or contradicts its spec.
    """

    def __init__(self, engine: Engine) -> None:
        where = str(engine.path)
        self.engine = engine
        spec = DetectorSpec.from_metadata(engine.metadata, where)
        output_name = None if spec is None else spec.output_name
        self._ends = ends_of(engine.inputs, engine.outputs, where, output_name)
        self.has_logits = False
        """Whether the network emits logits, of which this makes probabilities."""
        self.is_flat = False
        """Whether the network emits [N, H, W], without the channel."""
        if spec is None:
            ends = self._ends
            spec = inferred_spec(engine.metadata, where, ends.input_name, ends.output_name)
        elif spec.input_name != self._ends.input_name:
            raise ArtifactError(
                f"{where}: the spec in its metadata and the network disagree: expected an input "
                f"{spec.input_name}, got {self._ends.input_name}; export the model again"
            )
        self.spec = spec
        self.size_ranges: Sequence[SizeRange] = self._ends.size_ranges
        self.is_on_cpu = engine.is_on_cpu
        self.num_lanes = engine.num_lanes
        self.images_at_once = engine.samples_at_once
        self._try(is_described=output_name is not None)

    @property
    def description(self) -> str:
        """Engine, version, device and threads."""
        return self.engine.description

    @property
    def ends(self) -> Ends:
        """Input and output of the network."""
        return self._ends

    def maps(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Tell how probable text is at every pixel; see `DetectionSession.maps`."""
        size = self.images_at_once or len(images)
        parts = [
            self.run(self._normalized(images[start : start + size]))
            for start in range(0, len(images), size)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run pages that are normalised already.

        Args:
            batch: float32 [N, 3, H, W].

        Returns:
            float32 [N, H, W].
        """
        fixed = self._ends.input_shape[0]
        parts = [batch] if fixed is None else full_parts(batch, fixed)
        maps = [self._maps(part) for part in parts]
        whole = maps[0] if len(maps) == 1 else np.concatenate(maps)
        return whole[: len(batch)]

    def close(self) -> None:
        """Let go of the network."""
        self.engine.close()

    def _normalized(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Normalise images of one size, float32 [N, 3, H, W]."""
        spec = self.spec
        height, width, channels = images[0].shape
        batch = np.empty((len(images), channels, height, width), dtype=np.float32)
        for planes, image in zip(batch, images, strict=True):
            normalize_into(planes, image, spec.scale, spec.mean, spec.std)
        return batch

    def _maps(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """The network's map as probabilities, float32 [N, H, W]."""
        ends = self._ends
        fed = batch.astype(np.float16) if ends.is_half_input else batch
        output = self.engine.run({ends.input_name: fed}, [ends.output_name])[ends.output_name]
        num, _, height, width = batch.shape
        if output.shape not in ((num, 1, height, width), (num, height, width)):
            raise EngineError(
                f"{self.engine.path}: expected an output {[num, 1, height, width]} for an input of "
                f"{list(batch.shape)}, got {list(output.shape)}; give a text detection model"
            )
        self.is_flat = output.ndim == 3
        maps: NDArray[np.float32] = output.reshape(num, height, width).astype(
            np.float32, copy=False
        )
        return _sigmoid(maps) if self.has_logits else maps

    def _try(self, is_described: bool) -> None:
        """Run the network on a picture of bars, and learn whether it emits probabilities.

        Raises:
            ArtifactError: if it does not emit a map of its input's size.
        """
        _, _, height, width = self._ends.input_shape
        picture = np.full((height or _TRIAL_PX[0], width or _TRIAL_PX[1], 3), 255, dtype=np.uint8)
        picture[::16] = picture[1::16] = picture[2::16] = 0
        try:
            (found,) = self.run(self._normalized([picture]))
        except EngineError as error:
            raise ArtifactError(f"{self.engine.path} is no detector: {error}") from error
        low, high = float(found.min()), float(found.max())
        if (low >= _LEAST and high <= _MOST) or not np.isfinite(low + high):
            return
        if is_described:
            raise ArtifactError(
                f"{self.engine.path}: its output is no map of probabilities: expected values from "
                f"0 to 1, got {low:.3g} to {high:.3g}; export the model again"
            )
        self.has_logits = True
        logger.warning(
            "%s: its map holds values from %.3g to %.3g: taken for logits; export it with a "
            "sigmoid at its end",
            *(self.engine.path, low, high),
        )


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return (1 / (1 + np.exp(-logits))).astype(np.float32, copy=False)
