"""The exponential moving average of a model's weights, which is evaluated in place of them."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import paddle
from numpy.typing import NDArray

from runtime.errors import CheckpointError
from training.config import DecayType, GlobalConfig

_STATISTICS = ("_mean", "_variance")
_MOST_DECAYS = 10**6
"""Their product is 0 to within float64's rounding at PaddleOCR's decays."""
log = logging.getLogger(__name__)


class ModelEMA:
    """Averages of everything in a model's state: parameters, statistics of BatchNorm, buffers.

    They begin at 0; after step t (from 0) each is `d_t * average + (1 - d_t) * value`. The decay
    d_t is `decay` (`normal`), `min(decay, (1 + t) / (10 + t))` (`threshold`), or
    `decay * (1 - exp(-(t + 1) / gamma))` (`exponential`). What is evaluated and saved is the
    average divided by the sum of the weights in it, for which PaddleOCR takes 1 - d_t^(t + 1), and
    1 for `exponential`.

    Args:
        model: whose weights are averaged.
        decay: 0 .. 1, the final decay.
        gamma: steps over which `exponential` grows.
        ema_decay_type: how the decay grows.
        ema_filter_no_grad: parameters that do not learn are not averaged but kept as they are now,
            statistics of BatchNorm apart.
        exact_correction: divide by the true sum of the weights, 1 less the product of all decays.

    Source: PaddleOCR `ema`; Kingma and Ba 2015 (arXiv:1412.6980) for the correction.
    """

    def __init__(
        self,
        model: paddle.nn.Layer,
        decay: float = 0.9998,
        gamma: int = 2000,
        ema_decay_type: DecayType = "threshold",
        ema_filter_no_grad: bool = False,
        exact_correction: bool = False,
    ) -> None:
        self.model = model
        self.decay = decay
        self.gamma = gamma
        self.decay_type = ema_decay_type
        self.filters = ema_filter_no_grad
        self.is_exact = exact_correction
        self.reset()
        if ema_decay_type == "threshold" and not exact_correction:
            log.warning(
                "ema_decay_type threshold: PaddleOCR divides the averages as if every decay had "
                "been the last one, which makes weights too large by 0.4 % after 6 steps and by "
                "0.012 % later; Global.ema_exact_correction: true divides by their true sum"
            )

    @staticmethod
    def of(model: paddle.nn.Layer, settings: GlobalConfig) -> ModelEMA | None:
        """Return the averages that the `Global` section asks for, or None."""
        if not settings.use_ema:
            return None
        return ModelEMA(
            model,
            settings.ema_decay,
            settings.ema_gamma,
            settings.ema_decay_type,
            settings.ema_filter_no_grad,
            settings.ema_exact_correction,
        )

    def reset(self) -> None:
        """Begin anew with the model as it is now."""
        self.step = 0
        self._last_decay = self.decay
        self._product = 1.0
        state = self.model.state_dict()
        without_gradient = {
            id(parameter) for parameter in self.model.parameters() if parameter.stop_gradient
        }
        self.kept = {
            name
            for name, value in state.items()
            if self.filters
            and id(value) in without_gradient
            and name.rpartition(".")[2] not in _STATISTICS
        }
        self._averages = {
            name: value.clone() if name in self.kept else paddle.zeros_like(value, dtype="float32")
            for name, value in state.items()
        }

    def _decay_of(self, step: int) -> float:
        if self.decay_type == "threshold":
            return min(self.decay, (1 + step) / (10 + step))
        if self.decay_type == "exponential":
            return self.decay * (1 - math.exp(-(step + 1) / self.gamma))
        return self.decay

    def update(self) -> None:
        """Take in the model's weights after a step."""
        decay = self._decay_of(self.step)
        with paddle.no_grad():
            for name, value in self.model.state_dict().items():
                if name not in self.kept:
                    old = self._averages[name]
                    self._averages[name] = decay * old + (1 - decay) * value.astype("float32")
        self._last_decay = decay
        self._product *= decay
        self.step += 1

    def averages(self) -> dict[str, paddle.Tensor]:
        """Return what is evaluated, by structured name; before the first step the model's own."""
        if self.step == 0:
            return {name: value.clone() for name, value in self.model.state_dict().items()}
        divisor = self._divisor()
        with paddle.no_grad():
            return {
                name: average if name in self.kept or divisor == 1 else average / divisor
                for name, average in self._averages.items()
            }

    def _divisor(self) -> float:
        """Return the sum of the weights in an average, as it is taken to be."""
        if self.is_exact:
            return 1 - self._product
        if self.decay_type == "exponential":
            return 1.0
        return float(1 - self._last_decay**self.step)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the model its averages for a while."""
        state = self.model.state_dict()
        trained = {name: value.clone() for name, value in state.items()}
        _set(state, self.averages())
        try:
            yield
        finally:
            _set(state, trained)

    def as_state(self) -> dict[str, Any]:
        """Return plain values for a checkpoint, under PaddleOCR's names and one of our own."""
        arrays = {name: average.numpy() for name, average in self._averages.items()}
        return {"ema_state": arrays, "step": self.step, "product_of_decays": self._product}

    def load_state(self, state: Mapping[str, Any], where: str) -> None:
        """Restore what `as_state` gave, or PaddleOCR saved.

        Raises:
            CheckpointError: if it is not that of this model, naming `where` it comes from.
        """
        self.reset()
        arrays, step = state.get("ema_state"), state.get("step")
        if not isinstance(arrays, Mapping) or type(step) is not int or step < 0:
            raise CheckpointError(
                f"{where} holds no averages: expected ema_state and step; resume without use_ema"
            )
        restored = {}
        for name, average in self._averages.items():
            array: NDArray[Any] | None = arrays.get(name)
            shape = getattr(array, "shape", None)
            if shape != tuple(average.shape):
                raise CheckpointError(
                    f"{where} does not fit this network: expected {name} of shape "
                    f"{list(average.shape)}, got {shape}; use the config it was saved with"
                )
            restored[name] = paddle.to_tensor(array, dtype=average.dtype)
        self._averages, self.step = restored, step
        self._last_decay = self._decay_of(step - 1)
        product = state.get("product_of_decays")
        if not isinstance(product, float):  # of PaddleOCR
            product = math.prod(map(self._decay_of, range(min(step, _MOST_DECAYS))))
        self._product = product


def _set(state: Mapping[str, paddle.Tensor], values: Mapping[str, paddle.Tensor]) -> None:
    with paddle.no_grad():
        for name, value in values.items():
            state[name].set_value(value.astype(state[name].dtype))
