"""What text detection says of a network that is taken back from a model file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import paddle

from export.detection.samples import PageBatch, Pages
from export.detection.trained import TrainedDetector
from export.reversal.contract import Difference, Image, Values, check_alike
from runtime.detection.sizes import SizesWithin
from runtime.detection.spec import DetectorSpec
from training.plan import DeployedPlan

_AGREED = ("color_order", "scale", "mean", "std")
_SIDE_PX = 640
"""PaddleOCR trains on pieces of pages of this size."""
_TINY = 1e-7


class ReversedDetector:
    """A `ReversedContract` of text detection.

    Args:
        plan: of the config.
        network: its name there, empty for one by itself.
        spec: of the file.
    """

    default_count = 8
    classes = None
    dictionary: Sequence[str] = ()
    absent: Sequence[str] = ()

    def __init__(self, plan: DeployedPlan, network: str, spec: DetectorSpec) -> None:
        self._own = TrainedDetector(plan).spec(network)
        check_alike(self._own, spec, _AGREED, plan.config.path)

    def training_input(self, image: Image) -> Values:
        """Bring a page to the size at which it is read, and take its middle: [C, H, W]."""
        sizes = SizesWithin(self._own.sizes, ())
        (page,) = Pages.of([image], self._own, sizes, "").prepared
        piece = np.zeros((_SIDE_PX, _SIDE_PX, page.shape[2]), np.uint8)
        above, left = (max(0, (side - _SIDE_PX) // 2) for side in page.shape[:2])
        middle = page[above : above + _SIDE_PX, left : left + _SIDE_PX]
        piece[: middle.shape[0], : middle.shape[1]] = middle
        values: Values = PageBatch((0,), (piece,), self._own).inputs[0]
        return values

    def expected(self, emitted: Values) -> Values:
        """Return the file's map."""
        return emitted

    def difference(self, expected: Values, got: Values) -> Difference:
        """Compare two maps of probabilities, [N, 1, H, W]."""
        return Difference(float(np.abs(np.float64(expected) - got).max()), got.size)

    def loss(self, got: paddle.Tensor, expected: Values) -> paddle.Tensor:
        """Return the mean cross entropy against the file's map."""
        wanted = paddle.to_tensor(expected)
        got = got.clip(min=_TINY, max=1 - _TINY)
        return -(wanted * got.log() + (1 - wanted) * (1 - got).log()).mean()
