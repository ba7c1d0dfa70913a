"""CTC loss from logits for paddle on a CPU, without a stored softmax."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import paddle
import paddle.nn.functional as F
from paddle.autograd import PyLayer

from runtime.errors import DatasetError
from training.kernels.gate import array_from_tensor, serves

IntArray = npt.NDArray[np.int64]


def ctc_loss(
    logits: paddle.Tensor, labels: paddle.Tensor, lengths: paddle.Tensor, blank: int = 0
) -> paddle.Tensor:
    """Negative log-likelihood of every label, all T time steps being valid.

    A label that no path can spell (longer than T, repeats counted twice) has loss 0 and no
    gradient, as in paddle.

    Args:
        logits: [N, T, K] float, before softmax.
        labels: [N, L] int, class indices, padded beyond each length.
        lengths: [N] int, number of symbols of each label.
        blank: class index of the blank.

    Returns:
        [N] float; gradients reach logits.

    Raises:
        DatasetError: a length or a class index is out of range.
    """
    batch, steps, classes = logits.shape
    if not serves(logits) or 0 in logits.shape:
        return F.ctc_loss(
            logits.transpose([1, 0, 2]),
            labels.astype("int32"),
            paddle.full([batch], steps, dtype="int64"),
            lengths.astype("int64"),
            blank=blank,
            reduction="none",
        )
    label_array, length_array = _checked(labels, lengths, batch, classes)
    return _CTC.apply(logits, label_array, length_array, blank, not logits.stop_gradient)


class _CTC(PyLayer):
    """The differentiable call of the compiled loops."""

    @staticmethod
    def forward(
        ctx: Any,
        logits: paddle.Tensor,
        labels: IntArray,
        lengths: IntArray,
        blank: int,
        wants_gradient: bool,
    ) -> paddle.Tensor:
        from training.kernels.loops import ctc as loops  # numba, only once it is needed

        batch, steps, _ = logits.shape
        states = 2 * labels.shape[1] + 1
        losses = paddle.empty([batch], dtype="float32")
        row_sums = np.empty((batch, steps), np.float32)
        posteriors = np.zeros((batch, steps if wants_gradient else 0, states), np.float32)
        loops.forward(
            array_from_tensor(logits),
            labels,
            lengths,
            blank,
            array_from_tensor(losses),
            row_sums,
            posteriors,
        )
        ctx.save_for_backward(logits)
        ctx.paths = labels, lengths, blank, row_sums, posteriors
        return losses

    @staticmethod
    def backward(ctx: Any, dlosses: paddle.Tensor) -> paddle.Tensor:
        from training.kernels.loops import ctc as loops

        (logits,) = ctx.saved_tensor()
        dlogits = paddle.empty(logits.shape, dtype="float32")
        loops.backward(
            array_from_tensor(logits),
            *ctx.paths,
            array_from_tensor(dlosses),
            array_from_tensor(dlogits),
        )
        return dlogits


def _checked(
    labels: paddle.Tensor, lengths: paddle.Tensor, batch: int, classes: int
) -> tuple[IntArray, IntArray]:
    """Labels and lengths as int64 arrays, every index inside the memory it addresses."""
    label_array = np.ascontiguousarray(labels.numpy(), dtype=np.int64)
    length_array = np.ascontiguousarray(lengths.numpy(), dtype=np.int64).reshape(-1)
    if label_array.ndim != 2 or len(label_array) != batch or len(length_array) != batch:
        raise DatasetError(
            f"CTC loss: expected labels [{batch}, L] and lengths [{batch}], got "
            f"{list(label_array.shape)} and {list(length_array.shape)}; check the batch's order"
        )
    longest = label_array.shape[1]
    if length_array.min() < 0 or length_array.max() > longest:
        raise DatasetError(
            f"CTC loss: expected lengths from 0 to {longest}, got {length_array.min()} to "
            f"{length_array.max()}; check max_text_length"
        )
    used = np.arange(longest) < length_array[:, None]
    indices = label_array[used]
    if indices.size and (indices.min() < 0 or indices.max() >= classes):
        raise DatasetError(
            f"CTC loss: expected class indices from 0 to {classes - 1}, got {indices.min()} to "
            f"{indices.max()}; the labels' dictionary and the head's size disagree"
        )
    return label_array, length_array
