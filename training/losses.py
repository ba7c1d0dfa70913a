"""The `Loss` section: any losses with weights, each still visible by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import paddle
from paddle import nn

from training.distillation.losses import as_pairs
from training.registry import Component, Problems, Registry

TOTAL = "loss"
_COMBINED = "CombinedLoss"
_NETWORK_OPTIONS = frozenset({"model_name_list", "model_name_pairs"})
"""What a loss takes that looks at several networks."""


class CombinedLoss(nn.Layer):
    """Weighted sum of losses.

    A loss returns a scalar, or parts by name whose sum it is. Where a part counts otherwise than
    it is logged, an entry `loss` beside the parts says what counts instead of their sum. A part
    may hold a value for each image, [N]; the total is one then, to each of whose values every
    scalar is added. `Tensor.backward` of it gives the gradients of its sum, in which a scalar
    counts N times, as in PaddleOCR; the figure to log is its mean.

    Args:
        losses: triples of name, weight and loss; the name labels a loss that returns a bare tensor.
    """

    def __init__(self, losses: Sequence[tuple[str, float, nn.Layer]]) -> None:
        super().__init__()
        self.names = [name for name, _, _ in losses]
        self.weights = [weight for _, weight, _ in losses]
        self.losses = nn.LayerList([loss for _, _, loss in losses])

    def forward(self, outputs: Any, batch: Mapping[str, Any]) -> dict[str, paddle.Tensor]:
        """Compute every loss from the model's outputs and the batch by name.

        Returns:
            Every part by its name, already weighted, and under `loss` the sum of all that count.
        """
        parts: dict[str, paddle.Tensor] = {}
        summands: list[paddle.Tensor] = []
        for name, weight, loss in zip(self.names, self.weights, self.losses, strict=True):
            result = loss(outputs, batch)
            if not isinstance(result, dict):
                result = {name: result}
            weighted = {label: value * weight for label, value in result.items()}
            total = weighted.pop(TOTAL, None)
            summands += weighted.values() if total is None else [total]
            for label, value in weighted.items():
                parts[_unused_label(label, parts)] = value
        return {**parts, TOTAL: _sum(summands)}


def figures_of(losses: Mapping[str, paddle.Tensor]) -> dict[str, float]:
    """Return what to log of the parts and the total: the mean of one that has several values."""
    return {name: float(value.mean() if value.ndim else value) for name, value in losses.items()}


@dataclass(frozen=True)
class LossPart:
    """One loss of a config, checked.

    Args:
        component: the loss, with its options.
        weight: its factor in the sum.
    """

    component: Component
    weight: float = 1.0

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Names of the networks that it compares, without what is no pair."""
        listed = self.component.options.get("model_name_pairs", [])
        listed = [listed] if listed and isinstance(listed[0], str) else listed
        return as_pairs([pair for pair in listed if len(pair) == 2])

    @property
    def networks(self) -> list[str]:
        """Names of the networks that it takes, in order, each once; none for a plain loss."""
        names = list(self.component.options.get("model_name_list", []))
        names += [name for pair in self.pairs for name in pair]
        return list(dict.fromkeys(names))

    @property
    def is_distillation(self) -> bool:
        """Tell whether it compares or picks among several networks."""
        return bool(_NETWORK_OPTIONS & self.component.parameters.keys())

    @property
    def head_outputs(self) -> tuple[str, ...]:
        """Names of the outputs that it takes of a head with several; none for the whole output."""
        names = getattr(self.component.builder, "head_outputs", None)
        return () if names is None else names(self.component.options)


@dataclass(frozen=True)
class LossPlan:
    """The `Loss` section, checked.

    Args:
        parts: the losses in the config's order.
    """

    parts: tuple[LossPart, ...]

    def build(self) -> CombinedLoss:
        """Build every loss; each is told whether it is the last one."""
        components = [part.component for part in self.parts]
        # In the log `CTCLoss`, which returns a bare scalar, is `loss_ctc`.
        names = [getattr(component.builder, "log_name", component.name) for component in components]
        weights = [part.weight for part in self.parts]
        losses = [component.build(is_last=component is components[-1]) for component in components]
        return CombinedLoss(list(zip(names, weights, losses, strict=True)))


def read_loss(section: object, losses: Registry, problems: Problems) -> LossPlan | None:
    """Read the `Loss` section; None if anything is wrong with it.

    Args:
        section: one loss, or `CombinedLoss` with a `loss_config_list`.
        losses: of the task.
        problems: found problems are added to these.
    """
    if not isinstance(section, Mapping) or "name" not in section:
        problems.add("Loss", f"expected a mapping with a name, got {section!r}")
        return None
    if section["name"] != _COMBINED:
        component = losses.read(section, "Loss", problems)
        return None if component is None else LossPlan((LossPart(component),))
    entries = section.get("loss_config_list")
    if not isinstance(entries, list) or not entries:
        problems.add("Loss.loss_config_list", f"expected a list of losses, got {entries!r}")
        return None
    for key in section.keys() - {"name", "loss_config_list"}:
        problems.add(f"Loss.{key}", f"unknown key {key!r}: expected name and loss_config_list")
    parts = [
        _read_part(entry, f"Loss.loss_config_list.{index}", losses, problems)
        for index, entry in enumerate(entries)
    ]
    found = tuple(part for part in parts if part is not None)
    return LossPlan(found) if len(found) == len(entries) else None


def _read_part(entry: object, path: str, losses: Registry, problems: Problems) -> LossPart | None:
    if not isinstance(entry, Mapping) or len(entry) != 1:
        problems.add(path, f"expected one loss with its options, got {entry!r}")
        return None
    ((name, options),) = entry.items()
    path = f"{path}.{name}"
    if not isinstance(options, Mapping) or not _is_weight(options.get("weight")):
        problems.add(path, f"expected options with a weight, got {options!r}")
        return None
    rest = {key: value for key, value in options.items() if key != "weight"}
    component = losses.read_options(name, rest, path, problems)
    return None if component is None else LossPart(component, options["weight"])


def _is_weight(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _unused_label(label: str, parts: Mapping[str, Any]) -> str:
    """Return `label`, with a number behind it when an earlier loss has taken it."""
    candidate, number = label, 1
    while candidate in parts:
        number += 1
        candidate = f"{label}_{number}"
    return candidate


def _sum(values: Sequence[paddle.Tensor]) -> paddle.Tensor:
    """Add scalars, and to each value of the largest tensor, where there are others."""
    if len({tuple(value.shape) for value in values}) == 1:
        return paddle.add_n(list(values))
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total
