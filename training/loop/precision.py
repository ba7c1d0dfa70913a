"""Float32 training, or mixed precision where a GPU is."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import paddle

from training.config import GlobalConfig


class Precision:
    """How a step computes: float32, or float16 where it is safe with a scaled loss.

    Args:
        settings: `use_amp`, `amp_custom_black_list` and `scale_loss` of the `Global` section;
            without a GPU they have no effect.

    Source: Micikevicius et al. 2018 (arXiv:1710.03740); paddle's automatic mixed precision, O1.
    """

    def __init__(self, settings: GlobalConfig) -> None:
        is_mixed = settings.use_amp and paddle.get_device().startswith("gpu")
        self._kept_in_float32 = list(settings.amp_custom_black_list)
        self._scaler = (
            paddle.amp.GradScaler(init_loss_scaling=settings.scale_loss) if is_mixed else None
        )

    def forward(self) -> AbstractContextManager[Any]:
        """Return the context in which the networks run."""
        if self._scaler is None:
            return nullcontext()
        casting: AbstractContextManager[Any] = paddle.amp.auto_cast(
            custom_black_list=self._kept_in_float32, level="O1"
        )
        return casting

    def outputs(self, outputs: Any) -> Any:
        """Return the networks' outputs, nested in any way, in float32 as the losses need them."""
        if self._scaler is None:
            return outputs
        if isinstance(outputs, dict):
            return {name: self.outputs(value) for name, value in outputs.items()}
        if isinstance(outputs, list | tuple):
            return type(outputs)(self.outputs(value) for value in outputs)
        return outputs.astype("float32")

    def backward(self, loss: paddle.Tensor) -> None:
        """Compute the gradients of the loss, scaled in mixed precision."""
        (loss if self._scaler is None else self._scaler.scale(loss)).backward()

    def update(self, optimizer: paddle.optimizer.Optimizer) -> None:
        """Do one optimizer step; mixed precision leaves it out when a gradient overflowed."""
        if self._scaler is None:
            optimizer.step()
        else:
            self._scaler.step(optimizer)
            self._scaler.update()
