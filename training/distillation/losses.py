"""Distillation losses: pick tensors out of the networks' outputs, then call a plain loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import paddle
from paddle import nn

from runtime.errors import ConfigError
from training.distillation.divergences import DistanceLoss, DMLLoss, logits_of
from training.distillation.teacher.contract import TeacherOutput

Batch = Mapping[str, Any]
Outputs = Mapping[str, Any]
Pairs = Sequence[Sequence[str]] | Sequence[str]


def as_pairs(model_name_pairs: Pairs) -> list[tuple[str, str]]:
    """Return `[[a, b], [c, d]]`, or one bare pair `[a, b]`, as a list of pairs."""
    if model_name_pairs and isinstance(model_name_pairs[0], str):
        model_name_pairs = [model_name_pairs]  # type: ignore[list-item]
    return [(pair[0], pair[1]) for pair in model_name_pairs]


def pick(outputs: Outputs, network: str, key: str | None, head: str | None = None) -> Any:
    """Return an output of one network.

    Args:
        outputs: of every network.
        network: its name.
        key: which stage, None for all that the network returns.
        head: which output of a head that returns several by name, None for all of the stage.

    Raises:
        ConfigError: if the head does not return `head`.
    """
    output = outputs[network]
    if isinstance(output, TeacherOutput):  # it gives its logits alone, whatever they are called
        return output.logits()
    stage = output if key is None else output[key]
    return stage if head is None else output_of_head(stage, head, network)


def output_of_head(stage: Any, head: str, network: str) -> Any:
    """Return output `head` of what a network's head returned; raises ConfigError if it lacks it."""
    if isinstance(stage, Mapping) and head in stage:
        return stage[head]
    given = ", ".join(stage) if isinstance(stage, Mapping) else "one tensor"
    raise ConfigError(
        f"{network}: expected a head that gives {head}, got {given}; "
        "choose an output that it gives, or another head"
    )


class PairwiseLoss(nn.Layer):
    """A pair loss over any pairs of networks.

    Args:
        plain: compares two tensors.
        pairs: of networks' names.
        key: which stage of a network to take, None for all that it returns.
        name: in the log.
        head: which output of a head that returns several, None for all of the stage.
    """

    def __init__(
        self, plain: nn.Layer, pairs: Pairs, key: str | None, name: str, head: str | None = None
    ) -> None:
        super().__init__()
        self.plain = plain
        self.pairs = as_pairs(pairs)
        self.key = key
        self.name = name
        self.head = head

    @staticmethod
    def head_outputs(options: Mapping[str, Any]) -> tuple[str, ...]:
        """Return which outputs of a head that gives several the loss takes; none for the whole."""
        return (options.get("dis_head", "ctc"),) if options.get("multi_head") else ()

    def label(self, index: int, pair: tuple[str, str]) -> str:
        """Return the name of one pair's loss in the log."""
        return f"{self.name}_{index}"

    def forward(self, outputs: Outputs, batch: Batch) -> dict[str, paddle.Tensor]:
        """Return a scalar for each pair, from the outputs of every network and the batch."""
        results = {}
        for index, pair in enumerate(self.pairs):
            first, second = self._pick_pair(outputs, pair)
            results[self.label(index, pair)] = self.compare(first, second, batch)
        return results

    def compare(self, first: paddle.Tensor, second: paddle.Tensor, batch: Batch) -> paddle.Tensor:
        """Compare the tensors of one pair; return a scalar."""
        return self.plain(first, second)

    def _pick_pair(
        self, outputs: Outputs, pair: tuple[str, str], channel: int | None = None
    ) -> list[paddle.Tensor]:
        """Pick the outputs of two networks, or a channel; raises ConfigError if shapes differ."""
        tensors = []
        for network in pair:
            output = logits_of(pick(outputs, network, self.key, self.head))
            if isinstance(output, Mapping):
                raise ConfigError(
                    f"{self.name}: expected one tensor of {network}, got {', '.join(output)}; "
                    "choose a stage by key, or an output of its head by multi_head and dis_head"
                )
            tensors.append(output if channel is None else output[:, channel])
        shapes = [list(tensor.shape) for tensor in tensors]
        if shapes[0] != shapes[1]:  # paddle would broadcast, or fail
            taken = self.head or self.key or "their output"
            raise ConfigError(
                f"{self.name}: {pair[0]} and {pair[1]} differ in {taken}: "
                f"expected one shape, got {shapes[0]} and {shapes[1]}; take this pair out of "
                "the loss, or give both networks the same widths and strides"
            )
        return tensors


class DistillationDMLLoss(PairwiseLoss):
    """`DMLLoss` between networks, e.g. `dml_0`.

    Args:
        model_name_pairs: of networks.
        act, use_log: as `DMLLoss` takes them.
        key: which stage of a network to take, None for all that it returns.
        name: in the log.
        multi_head: take `dis_head` of a head that returns several outputs.
        dis_head: which of them.
        maps_name: nothing; no head gives maps.
    """

    def __init__(
        self,
        model_name_pairs: Pairs,
        act: Literal["softmax", "sigmoid"] | None = None,
        use_log: bool = False,
        key: str | None = None,
        name: str = "dml",
        multi_head: bool = False,
        dis_head: str = "ctc",
        maps_name: None = None,
    ) -> None:
        head = dis_head if multi_head else None
        super().__init__(DMLLoss(act, use_log), model_name_pairs, key, name, head)


class DistillationDistanceLoss(PairwiseLoss):
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
        key: which stage of a network to take, None for all that it returns.
        name: prefix in the log.
        head: which output of a head that returns several, None for all of the stage.
    """

    def __init__(
        self,
        plain: nn.Layer,
        model_name_list: Sequence[str],
        key: str | None,
        name: str,
        head: str | None = None,
    ) -> None:
        super().__init__()
        self.plain = plain
        self.model_name_list = list(model_name_list)
        self.key = key
        self.name = name
        self.head = head

    def forward(self, outputs: Outputs, batch: Batch) -> dict[str, paddle.Tensor]:
        """Return a scalar for each listed network, from the outputs of every network."""
        return {
            f"{self.name}_{network}_{index}": self.plain(
                pick(outputs, network, self.key, self.head), batch
            )
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
    "DistillationLossFromOutput": DistillationLossFromOutput,
}
"""Losses that serve every task."""
