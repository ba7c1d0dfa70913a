"""What a teacher marked on the pages of a batch, as losses and post-processing take it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import paddle

LEVELS = 255


@dataclass(frozen=True, eq=False)
class PageReadings:
    """Maps of N pages.

    Args:
        levels: probabilities from 0 to `LEVELS`, uint8 [N, H, W].
    """

    levels: NDArray[np.uint8]

    def outputs(self) -> dict[str, paddle.Tensor]:
        """Return `maps` float32 [N, 1, H, W]: the shrunken text, as the first map of a head."""
        import paddle  # not in the processes that load data

        maps = self.levels[:, np.newaxis].astype(np.float32) / np.float32(LEVELS)
        return {"maps": paddle.to_tensor(maps)}
