"""Batch normalisation and hard-swish in one pass for paddle on a CPU."""

from __future__ import annotations

from typing import Any

import paddle
import paddle.nn.functional as F
from paddle.autograd import PyLayer

from training.kernels.gate import FloatArray, array_from_tensor, serves


def batch_norm_hardswish(
    x: paddle.Tensor,
    weight: paddle.Tensor,
    bias: paddle.Tensor,
    running_mean: paddle.Tensor,
    running_variance: paddle.Tensor,
    momentum: float = 0.9,
    epsilon: float = 1e-5,
    training: bool = True,
) -> paddle.Tensor:
    """Normalise per channel, scale and shift, and apply hard-swish.

    Args:
        x: [N, C, H, W] float.
        weight: [C] float.
        bias: [C] float.
        running_mean: [C] float, updated in place when training.
        running_variance: [C] float, updated in place when training (biased, as paddle does).
        momentum: share of the running statistics that stays.
        epsilon: added to the variance.
        training: True for the batch's own statistics, False for the running ones.

    Returns:
        [N, C, H, W]; gradients reach x, weight and bias where they are wanted.
    """
    tensors = (x, weight, bias, running_mean, running_variance)
    if not (serves(*tensors) and len(x.shape) == 4 and 0 not in x.shape):
        normalised = F.batch_norm(
            x, running_mean, running_variance, weight, bias, training, momentum, epsilon
        )
        return F.hardswish(normalised)
    wanted = (not x.stop_gradient, not weight.stop_gradient, not bias.stop_gradient)
    return _BatchNormHardSwish.apply(
        x, weight, bias, running_mean, running_variance, momentum, epsilon, training, wanted
    )


class BatchNormHardSwish(paddle.nn.BatchNorm):
    """`paddle.nn.BatchNorm` with act="hard_swish"; parameters and buffers are named as there."""

    def __init__(
        self,
        num_channels: int,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        param_attr: paddle.ParamAttr | None = None,
        bias_attr: paddle.ParamAttr | None = None,
    ) -> None:
        """Create weight, bias, `_mean` and `_variance`, each [num_channels] float32.

        Args:
            num_channels: C of the input.
            momentum: share of the running statistics that stays.
            epsilon: added to the variance.
            param_attr: how the weight is initialised and regularised.
            bias_attr: the same for the bias.
        """
        super().__init__(
            num_channels,
            act="hard_swish",
            momentum=momentum,
            epsilon=epsilon,
            param_attr=param_attr,
            bias_attr=bias_attr,
        )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Normalise and activate.

        Args:
            x: [N, C, H, W] float.

        Returns:
            [N, C, H, W].
        """
        if not serves(x, self.weight, self.bias, self._mean, self._variance) or len(x.shape) != 4:
            return super().forward(x)
        return batch_norm_hardswish(
            x,
            self.weight,
            self.bias,
            self._mean,
            self._variance,
            self._momentum,
            self._epsilon,
            self.training and not self._use_global_stats,
        )


class _BatchNormHardSwish(PyLayer):
    """The differentiable call of the compiled loops."""

    @staticmethod
    def forward(
        ctx: Any,
        x: paddle.Tensor,
        weight: paddle.Tensor,
        bias: paddle.Tensor,
        running_mean: paddle.Tensor,
        running_variance: paddle.Tensor,
        momentum: float,
        epsilon: float,
        training: bool,
        wanted: tuple[bool, bool, bool],
    ) -> paddle.Tensor:
        from training.kernels.loops import batch_norm as loops  # numba, only once it is needed

        y = paddle.empty(x.shape, dtype="float32")
        if training:
            mean, inverse = (paddle.empty(weight.shape, dtype="float32") for _ in range(2))
        else:  # paddle's own square root, whose bits differ from the processor's
            mean = running_mean.clone()
            inverse = paddle.reciprocal(paddle.sqrt(running_variance + epsilon))
        loops.forward(
            _planes(x),
            array_from_tensor(weight),
            array_from_tensor(bias),
            array_from_tensor(running_mean),
            array_from_tensor(running_variance),
            momentum,
            epsilon,
            training,
            _planes(y),
            array_from_tensor(mean),
            array_from_tensor(inverse),
        )
        ctx.save_for_backward(x, weight, bias, mean, inverse)
        ctx.choices = training, wanted
        return y

    @staticmethod
    def backward(ctx: Any, dy: paddle.Tensor) -> tuple[paddle.Tensor | None, ...]:
        from training.kernels.loops import batch_norm as loops

        x, weight, bias, mean, inverse = ctx.saved_tensor()
        training, (wants_dx, wants_dweight, wants_dbias) = ctx.choices
        dx = paddle.empty(x.shape if wants_dx else [0, 1, 1, 1], dtype="float32")
        dweight = paddle.empty(weight.shape, dtype="float32")
        dbias = paddle.empty(bias.shape, dtype="float32")
        loops.backward(
            _planes(x),
            array_from_tensor(weight),
            array_from_tensor(bias),
            array_from_tensor(mean),
            array_from_tensor(inverse),
            training,
            _planes(dy),
            _planes(dx),
            array_from_tensor(dweight),
            array_from_tensor(dbias),
        )
        return (
            dx if wants_dx else None,
            dweight if wants_dweight else None,
            dbias if wants_dbias else None,
            None,
            None,
        )


def _planes(tensor: paddle.Tensor) -> FloatArray:
    """View [N, C, H, W] as [N, C, H * W]."""
    array = array_from_tensor(tensor)
    return array.reshape(array.shape[0], array.shape[1], array.shape[2] * array.shape[3])
