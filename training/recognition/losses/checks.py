"""Checks what recognition's losses need of data, dictionary and each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from training.recognition.heads.labels import LABELS
from training.recognition.losses.cross_entropy import padding_class

if TYPE_CHECKING:
    from training.losses import LossPart
    from training.plan import Plan

_WITHOUT_LABELS = frozenset({"DistillationDMLLoss", "DistillCTCLogits"})
"""Losses that take an output of a head and none of its labels."""


def problems_of_losses(
    plan: Plan, keys: Sequence[str], num_classes: int
) -> Iterator[tuple[str, str]]:
    """Find what losses lack.

    Args:
        plan: the config, checked so far.
        keys: names of the arrays in a training batch.
        num_classes: K of the dictionary.

    Yields:
        Path and message of each problem.
    """
    for part in plan.loss.parts:
        path = part.component.path
        yield from _problems_of_labels(part, keys)
        if part.component.name == "CenterLoss":
            for network in plan.model.networks.values():
                if not network.head.options.get("return_feats"):
                    yield path, "CenterLoss needs Architecture.Head.return_feats: true"
            wanted = _option(part, "num_classes")
            if wanted != num_classes:
                message = f"expected the dictionary's {num_classes} classes, got {wanted}"
                yield f"{path}.num_classes", message
    for part in plan.loss.parts[:-1]:
        if part.component.name == "DistillationSARLoss":
            index = _option(part, "ignore_index")
            wanted = padding_class(num_classes)
            if index != wanted:
                message = (
                    f"expected {wanted}, the padding's class, got {index}; set it, or put this "
                    "loss last in the list, where it is set as PaddleOCR sets it"
                )
                yield f"{part.component.path}.ignore_index", message


def _problems_of_labels(part: LossPart, keys: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Find labels that a loss needs and no batch has."""
    name, path = part.component.name, part.component.path
    if name == "ACELoss" and "label_ace" not in keys:
        yield path, "ACELoss needs label_ace among Train's keep_keys"
    if name not in _WITHOUT_LABELS and not getattr(part.component.builder, "needs_teacher", False):
        for output in part.head_outputs:
            names = LABELS.get(output, (output,))
            if not set(names) & set(keys):
                yield path, f"{name} needs {names[0]} among Train's keep_keys"


def _option(part: LossPart, key: str) -> Any:
    """Return what the config says, or PaddleOCR's value where it says nothing."""
    return part.component.options.get(key, part.component.parameters[key].default)
