"""Losses of decoders against plain paddle formulas: values, gradients, and what is left out."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import paddle
import pytest
from paddle.nn import functional as F

from runtime.errors import ConfigError
from training.kernels import smoothed_cross_entropy
from training.recognition.losses import CELoss, NRTRLoss, SARLoss
from training.registry import Registry

NUM_CLASSES = 7  # of SAR's predictions: K + 1
SAR_LABELS = [[6, 0, 3, 6, 7], [6, 2, 6, 7, 7]]
GTC_LABELS = [[2, 5, 6, 3, 0, 0], [2, 4, 3, 0, 0, 0]]


def logits(seed: int, *shape: int) -> paddle.Tensor:
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32) * 3
    return paddle.to_tensor(values, stop_gradient=False)


def agree(loss: Any, batch: dict[str, Any], plain: Any, shape: tuple[int, ...]) -> None:
    """Hold value and gradient against those of a plain formula on the same logits."""
    ours, wanted = logits(1, *shape), logits(1, *shape)
    result, formula = loss(ours, batch), plain(wanted)
    assert float(result) == pytest.approx(float(formula), rel=1e-6)
    result.backward()
    formula.backward()
    assert np.allclose(ours.grad.numpy(), wanted.grad.numpy(), atol=1e-6)


def rows(x: paddle.Tensor) -> paddle.Tensor:
    return x.reshape([-1, x.shape[-1]])


def smoothed_by_one_hot(x: paddle.Tensor, targets: paddle.Tensor) -> paddle.Tensor:
    """The textbook's way, which stores every share of every class."""
    num_classes = x.shape[-1]
    one_hot = F.one_hot(targets, num_classes)
    shares = one_hot * 0.9 + (1 - one_hot) * 0.1 / (num_classes - 1)
    return -(shares * F.log_softmax(x, axis=-1)).sum(axis=-1)


def test_smoothing_equals_the_sum_over_all_classes() -> None:
    targets = paddle.to_tensor([[1, 0, 4], [4, 2, 2]])
    ours, wanted = logits(2, 2, 3, 5), logits(2, 2, 3, 5)
    result, formula = (
        smoothed_cross_entropy(ours, targets, 0.1),
        smoothed_by_one_hot(wanted, targets),
    )
    assert np.allclose(result.numpy(), formula.numpy(), rtol=1e-5)
    result.sum().backward()
    formula.sum().backward()
    assert np.allclose(ours.grad.numpy(), wanted.grad.numpy(), atol=1e-6)


def test_smoothing_stays_exact_with_many_classes() -> None:
    x, targets = logits(3, 1, 2, 18_710), paddle.to_tensor([[17, 18_709]])
    wide = smoothed_by_one_hot(x.astype("float64"), targets).numpy()
    assert smoothed_cross_entropy(x, targets, 0.1).numpy() == pytest.approx(wide, rel=1e-6)


def test_sar_leaves_out_first_label_last_step_and_padding() -> None:
    labels = paddle.to_tensor(SAR_LABELS)

    def plain(x: paddle.Tensor) -> paddle.Tensor:
        targets = labels[:, 1:].flatten()
        return F.cross_entropy(rows(x[:, :-1]), targets, ignore_index=7)

    for batch in ({"label_sar": labels, "label": labels * 0}, {"label": labels}):
        agree(SARLoss(ignore_index=7), batch, plain, (2, 5, NUM_CLASSES))
        agree(SARLoss(), batch, plain, (2, 5, NUM_CLASSES))


@pytest.mark.parametrize("index", [92, 3, -1])
def test_a_padding_that_is_no_class_is_named(index: int) -> None:
    batch = {"label_sar": paddle.to_tensor(SAR_LABELS)}
    with pytest.raises(ConfigError, match=f"ignore_index {index}, got 7; set ignore_index to 7"):
        SARLoss(index)(logits(1, 2, 5, NUM_CLASSES), batch)


@pytest.mark.parametrize("index", [92, 3, -1])
def test_labels_without_padding_need_none(index: int) -> None:
    labels = paddle.to_tensor([[6, 0, 2, 1, 6]])

    def plain(x: paddle.Tensor) -> paddle.Tensor:
        return F.cross_entropy(rows(x[:, :-1]), labels[:, 1:].flatten())

    agree(SARLoss(index), {"label": labels}, plain, (1, 5, NUM_CLASSES))


def test_sar_names_a_decoder_of_another_length() -> None:
    with pytest.raises(ConfigError, match=r"shape \[2, 4\].*got \[2, 5\]; set SARHead.max_text"):
        SARLoss(7)(logits(1, 2, 4, NUM_CLASSES), {"label": paddle.to_tensor(SAR_LABELS)})


@pytest.mark.parametrize(
    ("loss", "is_smoothed", "ignored"),
    [
        (NRTRLoss(), True, 0),
        (NRTRLoss(ignore_index=5), True, 0),  # smoothing knows padding as class 0 alone
        (NRTRLoss(smoothing=False), False, 0),
        (NRTRLoss(smoothing=False, ignore_index=3), False, 3),
        (CELoss(smoothing=True), True, 0),
        (CELoss(), False, None),
        (CELoss(ignore_index=0), False, 0),
    ],
)
def test_nrtr_s_decoder(loss: Any, is_smoothed: bool, ignored: int | None) -> None:
    labels = paddle.to_tensor(GTC_LABELS)
    targets = labels[:, 1:5].flatten()

    def plain(x: paddle.Tensor) -> paddle.Tensor:
        if is_smoothed:
            losses = smoothed_by_one_hot(rows(x), targets)
            return losses.masked_select(targets != 0).mean()
        return F.cross_entropy(rows(x), targets, ignore_index=-100 if ignored is None else ignored)

    for batch in ({"label_gtc": labels, "label_ctc": labels * 0}, {"label": labels}):
        agree(loss, batch, plain, (2, 4, 9))


def test_labels_without_a_start_symbol(caplog: pytest.LogCaptureFixture) -> None:
    labels = paddle.to_tensor(GTC_LABELS)

    def plain(x: paddle.Tensor) -> paddle.Tensor:
        return F.cross_entropy(rows(x), labels.flatten())

    agree(CELoss(with_all=True), {"label": labels}, plain, (2, 6, 9))
    with caplog.at_level(logging.WARNING):
        agree(CELoss(smoothing=True, with_all=True), {"label": labels}, plain, (2, 6, 9))
    assert "smoothing has no effect beside with_all" in caplog.text


def test_more_time_steps_than_labels_are_named() -> None:
    with pytest.raises(ConfigError, match="NRTRLoss: expected labels for 8 time steps, got 5"):
        NRTRLoss()(logits(1, 2, 8, 9), {"label_gtc": paddle.to_tensor(GTC_LABELS)})


def test_a_padding_that_paddleocr_has_no_loss_for() -> None:
    table = Registry("loss", {"NRTRLoss": NRTRLoss})
    table.build({"name": "NRTRLoss", "ignore_index": -1}, "Loss")
    with pytest.raises(ConfigError, match=r"Loss\.ignore_index: expected a class from 0 up"):
        table.build({"name": "NRTRLoss", "ignore_index": -1, "smoothing": False}, "Loss")
