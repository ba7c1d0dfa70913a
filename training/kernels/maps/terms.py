"""What may be asked of a map, and what a loss and its slopes are, given the map's sums.

The sums are those of `loops.maps.losses.forward`, over the whole batch; all is float64 here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Sums = npt.NDArray[np.float64]
Factors = tuple[float, float, float]
"""The loss's derivatives as `loops.maps.losses.backward` takes them."""


@dataclass(frozen=True)
class RegionTerm:
    """Dice loss and mean focal loss where a mask is 1, added.

    Args:
        eps: added to both denominators.
        dice_weight, focal_weight: factors of the two.
        focal_alpha: weight of text against background, 0 .. 1.
        focal_gamma: how much less the pixels count that are right already.
        clip: probabilities stay that far from 0 and 1 in the focal loss.
        text_ratio: pixels of background to a pixel of text, at most: the loss counts once for each
            and is divided by their number, to which 1e-6 is added. None: the loss itself.
    """

    eps: float
    dice_weight: float = 1.0
    focal_weight: float = 0.0
    focal_alpha: float = 0.25
    focal_gamma: float = 2.0
    clip: float = 1e-6
    text_ratio: float | None = None

    @property
    def is_computable(self) -> bool:
        """Tell whether both ends of the clip have a logarithm in float32, and so have errors."""
        low, high = np.float32(self.clip), np.float32(1.0 - self.clip)
        return not self.focal_weight or bool(1e-30 < low < high < 1)

    def loss(self, sums: Sums) -> tuple[float, Factors]:
        """Return the loss of the batch and its derivatives by three of the sums."""
        common, area, labelled, masked, focal = map(float, sums)
        extent = area + labelled + self.eps
        share = _balance(self.text_ratio, labelled, masked)
        dice, of_focal = share * self.dice_weight, share * self.focal_weight / (masked + self.eps)
        loss = dice * (1 - 2 * common / extent) + of_focal * focal
        return loss, (-2 * dice / extent, 2 * dice * common / extent**2, of_focal)


@dataclass(frozen=True)
class BorderTerm:
    """Mean distance to another map where a border is 1; `eps` is added to the border's extent."""

    eps: float

    def loss(self, sums: Sums) -> tuple[float, Factors]:
        """Return the loss of the batch and its derivative by the distance."""
        factor = 1 / (float(sums[1]) + self.eps)
        return factor * float(sums[0]), (factor, 0.0, 0.0)


@dataclass(frozen=True)
class EntropyTerm:
    """Mean cross entropy of text and of the hardest pixels of the background.

    Args:
        text_ratio: pixels of background to a pixel of text, at most.
    """

    text_ratio: float

    def loss(self, sums: Sums, background: npt.NDArray[np.float32]) -> tuple[float, Factors]:
        """Choose the hardest pixels.

        Args:
            sums: as the module says.
            background: [N, P] float32, the loss of each pixel of background, 0 elsewhere. Of equal
                ones more than wanted the last are overwritten with -1.

        Returns:
            The loss, and its derivative by the cross entropy beside the least loss that counts.
        """
        entropy, _, labelled, masked, _ = map(float, sums)
        number = _number_of_hard(self.text_ratio, labelled, masked)
        least, hardest = np.inf, 0.0
        if number:
            flat = background.reshape(-1)
            chosen = np.partition(flat, flat.size - number)[flat.size - number :]
            least, hardest = float(chosen[0]), float(chosen.sum(dtype=np.float64))
            # Equal losses of 0 may all count: their slopes are 0.
            if least > 0:
                equal = np.flatnonzero(flat == chosen[0])
                flat[equal[np.count_nonzero(chosen == chosen[0]) :]] = -1
        factor = 1 / (int(labelled) + number + _OF_BALANCE)
        return factor * (entropy + hardest), (factor, least, 0.0)


Term: TypeAlias = RegionTerm | BorderTerm | EntropyTerm
_OF_BALANCE = 1e-6


def _number_of_hard(text_ratio: float, labelled: float, masked: float) -> int:
    return int(min(masked - labelled, int(labelled) * text_ratio))


def _balance(text_ratio: float | None, labelled: float, masked: float) -> float:
    if text_ratio is None:
        return 1.0
    number = int(labelled) + _number_of_hard(text_ratio, labelled, masked)
    return number / (number + _OF_BALANCE)
