"""Networks that take 8-bit pages and normalise them themselves, as engine graphs do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from runtime.detection.preprocess import Image
from runtime.detection.session import PIXELS, PROBABILITIES
from runtime.detection.sizes import SizeRange, fixed_range
from runtime.detection.spec import CHANNELS, DetectorSpec
from runtime.engines import Engine
from runtime.engines.tensors import Array
from runtime.errors import ArtifactError, EngineError

_DTYPES = {PIXELS: "uint8", PROBABILITIES: "float32"}


class PixelSession:
    """A `DetectionSession` whose pixels go to the engine as they are.

    Args:
        engine: open, of an engine graph; closed with the session.

    Raises:
        ArtifactError: if the model is no engine graph of a detector.
    """

    def __init__(self, engine: Engine) -> None:
        where = str(engine.path)
        self.engine = engine
        got = {info.name: info.dtype for info in (*engine.inputs, *engine.outputs)}
        spec = DetectorSpec.from_metadata(engine.metadata, where)
        if spec is None or got != _DTYPES:
            raise ArtifactError(
                f"{where} is no detector's engine graph: expected {_DTYPES} and a spec, got "
                f"{got}{'' if spec else ' and none'}; build it again"
            )
        self.spec = spec
        self.size_ranges: Sequence[SizeRange] = tuple(
            SizeRange(pixels.min[1], pixels.max[1], pixels.min[2], pixels.max[2])
            for pixels in (profile[PIXELS] for profile in engine.profiles)
        ) or fixed_range(engine.inputs[0].sizes[1:3])
        self.is_on_cpu = engine.is_on_cpu
        self.num_lanes = engine.num_lanes
        self.images_at_once = engine.samples_at_once

    @property
    def description(self) -> str:
        """Engine, version, precision and device."""
        return self.engine.description

    def maps(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Tell how probable text is at every pixel; see `DetectionSession.maps`."""
        height, width = images[0].shape[:2]
        parts = self.engine.parts(len(images), {PIXELS: (height, width, CHANNELS)})
        maps = [
            self._maps(images[part.start : part.start + part.count], part.batch) for part in parts
        ]
        return maps[0] if len(maps) == 1 else np.concatenate(maps)

    def close(self) -> None:
        """Let go of the network."""
        self.engine.close()

    def _maps(self, images: Sequence[Image], batch: int) -> NDArray[np.float32]:
        height, width = images[0].shape[:2]

        def fill(views: Mapping[str, Array]) -> None:
            for row, image in enumerate(images):
                views[PIXELS][row] = image
            views[PIXELS][len(images) :] = 0  # pages that only fill up a profile's least N

        shape = (batch, height, width, CHANNELS)
        found = self.engine.run_filled({PIXELS: shape}, fill)[PROBABILITIES]
        if found.shape != (batch, 1, height, width):
            raise EngineError(
                f"{self.engine.path}: expected an output {[batch, 1, height, width]} for an input "
                f"of {list(shape)}, got {list(found.shape)}; build the engine again"
            )
        return found[: len(images), 0]
