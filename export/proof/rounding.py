"""How far rounding alone carries a network, so that a disagreement can be told from it.

Some networks amplify rounding: their FP32 results move by 1e-2 when sums are taken in another
order. Held against the same network in FP64, a faithful conversion is about as far off as paddle
itself; a wrong one is farther.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import paddle
from numpy.typing import NDArray

from export.conversion.strip import Stripped
from export.proof.compare import compare_forms
from export.proof.forms import Form, Probabilities, ProbabilityForm
from runtime.recognition.preprocess import Image
from runtime.recognition.spec import RecognizerSpec

ALLOWED_RATIO = 4.0
"""How many times as far from FP64 as paddle's FP32 a faithful form may be: the largest of a few
thousand rounding errors varies by about this much from one order of summing to another."""


@dataclass(frozen=True)
class Rounding:
    """Largest distance of any probability from the network in FP64.

    Args:
        reference: of paddle's FP32.
        candidate: of the form that was compared.
    """

    reference: float
    candidate: float

    @property
    def explains(self) -> bool:
        """Whether the candidate is no farther off than rounding accounts for."""
        return self.candidate <= ALLOWED_RATIO * self.reference


def measure_rounding(
    stripped: Stripped,
    reference: Form,
    candidate: Form,
    spec: RecognizerSpec,
    lines: Sequence[Image],
) -> Rounding:
    """Hold both forms against the network in FP64.

    Args:
        stripped: the network.
        reference, candidate: its forms in FP32.
        spec: of all.
        lines: BGR uint8 [h, w, 3].

    Raises:
        ParityError: if they disagree on the output's shape.
    """
    exact = ProbabilityForm("float64", spec, _double_network(stripped))

    def distance(form: Form) -> float:
        return compare_forms(exact, form, spec, lines, "").parity.max_difference

    return Rounding(distance(reference), distance(candidate))


def _double_network(stripped: Stripped) -> Probabilities:
    """The network with FP64 weights: float [N, C, H, W] -> float64 [N, T, K]."""
    default = paddle.get_default_dtype()
    paddle.set_default_dtype("float64")
    try:
        network = stripped.build()
        for layer in network.sublayers():
            if isinstance(layer, paddle.nn.BatchNorm):
                layer.to(dtype="float64")  # it is made in float32 whatever the default is
        for name, tensor in network.state_dict().items():
            tensor.set_value(stripped.parameters[name].astype("float64"))
    finally:
        paddle.set_default_dtype(default)
    network.eval()

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with paddle.no_grad():
            images = paddle.to_tensor(batch.astype(np.float64))
            result: NDArray[np.float32] = network.deployed(images).numpy()
        return result

    return run
