"""Distillation losses: pick tensors out of the networks' outputs, then call a plain loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import paddle
from paddle import nn

from runtime.errors import ConfigError
from training.distillation.divergences import DistanceLoss, DMLLoss, KLDivLoss, logits_of

Batch = Mapping[str, Any]
Outputs = Mapping[str, Any]
Pairs = Sequence[Sequence[str]] | Sequence[str]


def as_pairs(model_name_pairs: Pairs) -> list[tuple[str, str]]:
    """Return `[[a, b], [c, d]]`, or one bare pair `[a, b]`, as a list of pairs."""
    if model_name_pairs and isinstance(model_name_pairs[0], str):
        model_name_pairs = [model_name_pairs]  # type: ignore[list-item]
    return [(pair[0], pair[1]) for pair in model_name_pairs]


def pick(outputs: Outputs, network: str, key: str | None) -> Any:
    """Return output `key` of one network, or all of its output without a key."""
    return outputs[network] if key is None else outputs[network][key]


class _PairwiseLoss(nn.Layer):
    """A pair loss over any pairs of networks."""

    def __init__(self, plain: nn.Layer, pairs: Pairs, key: str | None, name: str) -> None:
        super().__init__()
        self.plain = plain
        self.pairs = as_pairs(pairs)
        self.key = key
        self.name = name

    def label(self, index: int, pair: tuple[str, str]) -> str:
        """Return the name of one pair's loss in the log."""
        return f"{self.name}_{index}"

    def forward(self, outputs: Outputs, batch: Batch) -> dict[str, paddle.Tensor]:
        """Return a scalar for each pair, from the outputs of every network."""
        return {
            self.label(index, pair): self.plain(*self._pick_pair(outputs, pair))
            for index, pair in enumerate(self.pairs)
        }

    def _pick_pair(self, outputs: Outputs, pair: tuple[str, str]) -> list[paddle.Tensor]:
        """Pick the outputs of two networks; raises ConfigError when their shapes differ."""
        tensors = [logits_of(pick(outputs, network, self.key)) for network in pair]
        shapes = [list(tensor.shape) for tensor in tensors]
        if shapes[0] != shapes[1]:  # paddle would broadcast, or fail
            raise ConfigError(
                f"{self.name}: {pair[0]} and {pair[1]} differ in {self.key or 'their output'}: "
                f"expected one shape, got {shapes[0]} and {shapes[1]}; take this pair out of "
                "the loss, or give both networks the same widths and strides"
            )
        return tensors


class DistillationDMLLoss(_PairwiseLoss):
    """`DMLLoss` between networks, e.g. `dml_0`."""

    def __init__(
        self,
        model_name_pairs: Pairs,
        act: Literal["softmax", "sigmoid"] | None = None,
        use_log: bool = False,
        key: str | None = None,
        name: str = "dml",
    ) -> None:
        super().__init__(DMLLoss(act, use_log), model_name_pairs, key, name)


class DistillationKLDivLoss(_PairwiseLoss):
    """`KLDivLoss` of the first network of each pair from the second, e.g. `kl_div_0`."""

    def __init__(
        self, model_name_pairs: Pairs, key: str | None = None, name: str = "kl_div"
    ) -> None:
        super().__init__(KLDivLoss(), model_name_pairs, key, name)


class DistillationDistanceLoss(_PairwiseLoss):
    """`DistanceLoss` between networks.

    Logged as `loss_distance_l2_<first>_<second>_0` whatever the mode, as PaddleOCR logs it.
    """

    def __init__(
        self,
        model_name_pairs: Pairs,
        mode: Literal["l1", "l2", "smooth_l1"] = "l2",
        key: str | None = None,
        name: str = "loss_distance",
    ) -> None:
        super().__init__(DistanceLoss(mode), model_name_pairs, key, f"{name}_l2")

    def label(self, index: int, pair: tuple[str, str]) -> str:
        """Return the name of one pair's loss in the log."""
        return f"{self.name}_{pair[0]}_{pair[1]}_{index}"


class LossOfEach(nn.Layer):
    """A label loss of each listed network, e.g. `loss_ctc_Student_0`.

    Args:
        plain: takes one network's output and the batch by name.
        model_name_list: the networks.
        key: which output of a network to take, None for the output itself.
        name: prefix in the log.
    """

    def __init__(
        self, plain: nn.Layer, model_name_list: Sequence[str], key: str | None, name: str
    ) -> None:
        super().__init__()
        self.plain = plain
        self.model_name_list = list(model_name_list)
        self.key = key
        self.name = name

    def forward(self, outputs: Outputs, batch: Batch) -> dict[str, paddle.Tensor]:
        """Return a scalar for each listed network, from the outputs of every network."""
        return {
            f"{self.name}_{network}_{index}": self.plain(pick(outputs, network, self.key), batch)
            for index, network in enumerate(self.model_name_list)
        }


class DistillationLossFromOutput(nn.Layer):
    """A loss that a network computed itself, e.g. `loss_re_Student`.

    Args:
        model_name_list: the networks.
        dist_key: where in a network's output to look first, None for the output itself.
        key: the entry that holds the loss, when what was found is a mapping.
        reduction: how a tensor becomes a scalar; `none` leaves it.
        name: prefix in the log.
    """

    def __init__(
        self,
        model_name_list: Sequence[str],
        dist_key: str | None = None,
        key: str | None = "loss",
        reduction: Literal["none", "mean", "sum"] = "none",
        name: str = "loss_re",
    ) -> None:
        super().__init__()
        self.model_name_list = list(model_name_list)
        self.dist_key = dist_key
        self.key = key
        self.reduction = reduction
        self.name = name

    def forward(self, outputs: Outputs, batch: Batch) -> dict[str, paddle.Tensor]:
        """Return the loss that each listed network computed, from the outputs of every network."""
        return {
            f"{self.name}_{network}": self._reduce(pick(outputs, network, self.dist_key))
            for network in self.model_name_list
        }

    def _reduce(self, output: Any) -> paddle.Tensor:
        loss = output[self.key] if self.key is not None and isinstance(output, dict) else output
        if self.reduction == "none":
            return loss
        return loss.mean() if self.reduction == "mean" else loss.sum()


SHARED_LOSSES: Mapping[str, Callable[..., nn.Layer]] = {
    "DistillationDMLLoss": DistillationDMLLoss,
    "DistillationDistanceLoss": DistillationDistanceLoss,
    "DistillationKLDivLoss": DistillationKLDivLoss,
    "DistillationLossFromOutput": DistillationLossFromOutput,
}
"""Losses that serve every task."""
