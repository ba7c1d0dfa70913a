"""What a form of a network makes of samples, and what a form is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from export.proof.samples import Batch


@dataclass(frozen=True)
class Outputs:
    """What a form makes of N samples.

    Args:
        values: probabilities, float32 [N, ...]: of everything that could be chosen, or only of what
            was.
        decisions: what was chosen at every place, e.g. the class of each time step, [N, ...].
        readings: what comes of it for a user, e.g. a text, one of each sample.
        is_whole: whether `values` are all probabilities, not only the best.
    """

    values: NDArray[np.float32]
    decisions: NDArray[Any]
    readings: Sequence[Any]
    is_whole: bool


class Form(Protocol):
    """One form of a network: in paddle, as an inference program, an ONNX model or an engine."""

    @property
    def name(self) -> str:
        """For reports: `paddle`, or the file."""

    @property
    def is_exact(self) -> bool:
        """Tell whether it computes in FP32 throughout."""

    def read(self, batch: Batch) -> Outputs:
        """Run one batch."""
