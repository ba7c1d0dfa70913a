"""Distillation losses of recognition: which outputs and labels each of them takes."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import paddle
from paddle import nn

from training.distillation.divergences import DKDLoss, KLDivLoss
from training.distillation.losses import LossOfEach, Pairs, PairwiseLoss
from training.recognition.losses.cross_entropy import CELoss, SARLoss
from training.recognition.losses.ctc import CTCLoss
from training.recognition.losses.ctc_logits import CTCLogitsLoss
from training.recognition.losses.labels import Batch, following_labels, labels_of

log = logging.getLogger(__name__)

_SAR_PADDING = 92
"""PaddleOCR's, where a config says nothing."""
_LABELLED = "gtc"
"""The output of a MultiHead whose labels follow it time step by time step."""


class _LossOfEachDecoder(LossOfEach):
    """A label loss of each listed network's head, or of one decoder of a `MultiHead`."""

    decoder: ClassVar[str]

    def __init__(
        self,
        plain: nn.Layer,
        model_name_list: Sequence[str],
        key: str | None,
        name: str,
        multi_head: bool,
    ) -> None:
        super().__init__(plain, model_name_list, key, name, self.decoder if multi_head else None)

    @classmethod
    def head_outputs(cls, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Return which outputs of a head that gives several the loss takes; none for the whole."""
        return (cls.decoder,) if options.get("multi_head") else ()


class DistillationCTCLoss(_LossOfEachDecoder):
    """`CTCLoss` of each listed network, e.g. `loss_ctc_Student_0`.

    Args:
        model_name_list: the networks.
        key: which stage of a network to take, None for all that it returns.
        name: prefix in the log.
        multi_head: the heads are `MultiHead`.
    """

    decoder: ClassVar[str] = "ctc"

    def __init__(
        self,
        model_name_list: Sequence[str],
        key: str | None = None,
        name: str = "loss_ctc",
        multi_head: bool = False,
    ) -> None:
        super().__init__(CTCLoss(), model_name_list, key, name, multi_head)


class DistillationSARLoss(_LossOfEachDecoder):
    """`SARLoss` of each listed network, e.g. `loss_sar_Student_0`.

    Args:
        model_name_list, key, name, multi_head: as `DistillationCTCLoss` takes them.
        ignore_index: the padding's class. Of the last loss in the list it is K + 1 whatever
            stands here, as PaddleOCR's `tools/train.py` sets it.
        is_last: whether it is the last loss in the list, which the program supplies.
    """

    decoder: ClassVar[str] = "sar"

    def __init__(
        self,
        model_name_list: Sequence[str],
        key: str | None = None,
        name: str = "loss_sar",
        multi_head: bool = False,
        ignore_index: int = _SAR_PADDING,
        is_last: bool = False,
    ) -> None:
        plain = SARLoss(None if is_last else ignore_index)
        super().__init__(plain, model_name_list, key, name, multi_head)
        if is_last and ignore_index != _SAR_PADDING:
            log.info(
                "DistillationSARLoss: ignore_index %d gives way to the padding's class, as in "
                "PaddleOCR where this loss is the last of the list",
                ignore_index,
            )


class DistillationNRTRLoss(_LossOfEachDecoder):
    """`CELoss` of each listed network, e.g. `loss_nrtr_Student_0`.

    Args:
        model_name_list, key, name, multi_head: as `DistillationCTCLoss` takes them.
        smoothing: give a tenth of each target to the other classes, and leave out padding.
        ignore_index: has no effect.
        mask_padding: leave out padding without smoothing too; PaddleOCR teaches it.
    """

    decoder: ClassVar[str] = "gtc"

    def __init__(
        self,
        model_name_list: Sequence[str],
        key: str | None = None,
        name: str = "loss_nrtr",
        multi_head: bool = False,
        smoothing: bool = True,
        ignore_index: int | None = None,
        mask_padding: bool = False,
    ) -> None:
        plain = CELoss(smoothing, ignore_index=0 if mask_padding else -1)
        super().__init__(plain, model_name_list, key, name, multi_head)
        if ignore_index is not None:
            log.warning("DistillationNRTRLoss: ignore_index has no effect, as in PaddleOCR")
        if not smoothing and not mask_padding:
            log.warning(
                "DistillationNRTRLoss: without smoothing the padding behind a label's end is "
                "learned too, as in PaddleOCR; mask_padding: true leaves it out"
            )


class DistillationKLDivLoss(PairwiseLoss):
    """`KLDivLoss` of the first network of each pair from the second, e.g. `kl_div_0`.

    Args:
        model_name_pairs, key, name, dis_head, maps_name: as `DistillationDMLLoss` takes them.
        multi_head: take `dis_head`, which has to be `gtc`, and average over the time steps whose
            label in `label_gtc` is no padding; else sum over all of them and divide by N.
        detach_teacher: as `KLDivLoss` takes it.
    """

    def __init__(
        self,
        model_name_pairs: Pairs,
        key: str | None = None,
        name: str = "kl_div",
        multi_head: bool = False,
        dis_head: str = "ctc",
        maps_name: None = None,
        detach_teacher: bool = True,
    ) -> None:
        head = dis_head if multi_head else None
        super().__init__(KLDivLoss(detach_teacher), model_name_pairs, key, name, head)

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Report an output without a label for each time step."""
        if options.get("multi_head"):
            yield from _problems_of_labelled(options)

    def compare(self, first: paddle.Tensor, second: paddle.Tensor, batch: Batch) -> paddle.Tensor:
        """Compare the logits float32 [N, T, K] of one pair; return a scalar."""
        if self.head is None:
            return self.plain(first, second)
        targets = following_labels(labels_of(batch, _LABELLED), first.shape[1], self.name)
        return self.plain(first, second, targets != 0)


class DistillationDKDLoss(PairwiseLoss):
    """`DKDLoss` of the first network of each pair from the second, e.g. `dkd_0`.

    The target classes are `label_gtc`.

    Args:
        model_name_pairs, key, name, maps_name: as `DistillationDMLLoss` takes them.
        multi_head: has to be true, and `dis_head` to be `gtc`.
        temperature, alpha, beta, detach_teacher: as `DKDLoss` takes them.
        mask_padding: leave out the time steps behind a label's end; PaddleOCR counts them.
    """

    def __init__(
        self,
        model_name_pairs: Pairs,
        key: str | None = None,
        name: str = "dkd",
        multi_head: bool = False,
        dis_head: str = "ctc",
        maps_name: None = None,
        temperature: float = 1.0,
        alpha: float = 1.0,
        beta: float = 1.0,
        mask_padding: bool = False,
        detach_teacher: bool = False,
    ) -> None:
        plain = DKDLoss(temperature, alpha, beta, detach_teacher)
        super().__init__(plain, model_name_pairs, key, name, dis_head)
        self.mask_padding = mask_padding
        if not mask_padding:
            log.warning(
                "DistillationDKDLoss %s: time steps behind a label's end count too, as in "
                "PaddleOCR, which makes a mask and does not use it; mask_padding: true uses it",
                name,
            )

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Report what leaves it without target classes."""
        if not options.get("multi_head"):
            yield "multi_head", "expected true, as its target classes are a decoder's, got false"
        yield from _problems_of_labelled(options)

    def compare(self, first: paddle.Tensor, second: paddle.Tensor, batch: Batch) -> paddle.Tensor:
        """Compare the logits float32 [N, T, K] of one pair; return a scalar."""
        targets = following_labels(labels_of(batch, _LABELLED), first.shape[1], self.name)
        return self.plain(first, second, targets, targets != 0 if self.mask_padding else None)


def _problems_of_labelled(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    head = options.get("dis_head", "ctc")
    if head != _LABELLED:
        message = f"expected {_LABELLED}, which has a label for each time step, got {head}"
        yield "dis_head", message


class DistillCTCLogits(PairwiseLoss):
    """`CTCLogitsLoss` of the first network of each pair from the second.

    Logged as `ctc_logits_0`.

    Args:
        model_name_pairs: of networks.
        key: which stage of a network holds `ctc`; None if the network returns logits alone.
        name: in the log.
        reduction: has no effect.
        mask_blank, detach_teacher: as `CTCLogitsLoss` takes them.
    """

    def __init__(
        self,
        model_name_pairs: Pairs,
        key: str | None = None,
        name: str = "ctc_logits",
        reduction: str = "mean",
        mask_blank: bool = False,
        detach_teacher: bool = False,
    ) -> None:
        plain, head = CTCLogitsLoss(mask_blank, detach_teacher), None if key is None else "ctc"
        super().__init__(plain, model_name_pairs, key, name, head)
        if reduction != "mean":
            log.warning("DistillCTCLogits: reduction has no effect, as in PaddleOCR")

    @staticmethod
    def head_outputs(options: Mapping[str, Any]) -> tuple[str, ...]:
        """Return which outputs of a head that gives several the loss takes; none for the whole."""
        return () if options.get("key") is None else ("ctc",)
