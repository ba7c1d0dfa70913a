"""The losses of one network whose head has several decoders."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import paddle
from paddle import nn

from training.distillation.losses import output_of_head
from training.recognition.losses.cross_entropy import NRTRLoss, SARLoss
from training.recognition.losses.ctc import CTCLoss
from training.recognition.losses.labels import Batch
from training.registry import Problems, Registry

log = logging.getLogger(__name__)

DECODERS: Mapping[str, str] = {"CTCLoss": "ctc", "SARLoss": "sar", "NRTRLoss": "gtc"}
"""Which output of a `MultiHead` each loss takes."""
_SHARED = ("use_focal_loss", "smoothing", "ignore_index")
"""Options that PaddleOCR hands from one loss to all that follow."""
_PARTS = Registry(
    "loss of MultiLoss",
    {"CTCLoss": CTCLoss, "SARLoss": SARLoss, "NRTRLoss": NRTRLoss},
    unused=frozenset(_SHARED),
)


@dataclass(frozen=True)
class _Part:
    """One loss of the list.

    Args:
        place: in the list, e.g. `1.NRTRLoss`.
        name: of the loss.
        options: its own and those that reach it from elsewhere.
        sources: the earlier loss that each option comes from which is not its own.
    """

    place: str
    name: str
    options: Mapping[str, Any]
    sources: Mapping[str, str] = field(default_factory=dict)


class MultiLoss(nn.Layer):
    """A weighted loss of each decoder of a `MultiHead`, logged by the loss's name.

    Options that stand beside the list hold for every loss that has them, its own come first.

    Args:
        loss_config_list: `CTCLoss` and `SARLoss` or `NRTRLoss`, each with its options or nothing.
        weight_1: of `CTCLoss`.
        weight_2: of the others.
        use_focal_loss, smoothing, ignore_index: options for every loss.
        separate_options: keep each loss's options to itself; PaddleOCR hands the options of each
            loss to all that follow, which may have options of the same name.

    Source: PaddleOCR `rec_multi_loss`.
    """

    def __init__(
        self,
        loss_config_list: Sequence[Mapping[str, Any]],
        weight_1: float = 1.0,
        weight_2: float = 1.0,
        use_focal_loss: bool | None = None,
        smoothing: bool | None = None,
        ignore_index: int | None = None,
        separate_options: bool = False,
    ) -> None:
        super().__init__()
        beside = zip(_SHARED, (use_focal_loss, smoothing, ignore_index), strict=True)
        shared = {key: value for key, value in beside if value is not None}
        self.weights = weight_1, weight_2
        self.losses = nn.LayerDict()
        for part in _parts_of(loss_config_list, shared, separate_options):
            problems = Problems()
            component = _PARTS.read_options(part.name, part.options, part.place, problems)
            problems.raise_any()
            assert component is not None
            for key in component.options.keys() & part.sources.keys():
                log.warning(
                    "MultiLoss: %s gets %s from %s, as in PaddleOCR; write it where it belongs, "
                    "or separate_options: true",
                    *(part.name, key, part.sources[key]),
                )
            self.losses[part.name] = component.build()

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Report what is wrong with the list and with each loss in it."""
        entries = options["loss_config_list"]
        if not entries:
            yield "loss_config_list", "expected losses with their options, got none"
        for index, entry in enumerate(entries):
            for name, own in entry.items():
                if not isinstance(own, Mapping | None):
                    place = f"loss_config_list.{index}.{name}"
                    yield place, f"expected options or nothing, got {own!r}"
                    return
        shared = {key: options[key] for key in _SHARED if options.get(key) is not None}
        parts = list(_parts_of(entries, shared, options.get("separate_options", False)))
        problems = Problems()
        for part in parts:
            place = f"loss_config_list.{part.place}"
            _PARTS.read_options(part.name, part.options, place, problems)
        for problem in problems:
            yield problem.path, problem.message
        names = [part.name for part in parts]
        for name in sorted(map(str, {name for name in names if names.count(name) > 1})):
            yield "loss_config_list", f"expected each loss once, got {name} twice"

    @staticmethod
    def head_outputs(options: Mapping[str, Any]) -> tuple[str, ...]:
        """Return which outputs of a head that gives several the losses take."""
        names = [name for entry in options["loss_config_list"] for name in entry]
        return tuple(DECODERS[name] for name in names)

    def forward(self, prediction: Any, batch: Batch) -> dict[str, paddle.Tensor]:
        """Return each loss, weighted, from a `MultiHead`'s outputs by name and the batch."""
        results = {}
        for name, loss in self.losses.items():
            output = output_of_head(prediction, DECODERS[name], "MultiLoss")
            weight = self.weights[0 if name == "CTCLoss" else 1]
            results[name] = loss(output, batch) * weight
        return results


def _parts_of(
    entries: Sequence[Mapping[str, Any]], shared: Mapping[str, Any], is_separate: bool
) -> Iterator[_Part]:
    """Yield each loss of the list with every option that reaches it."""
    carried = dict(shared)
    sources: dict[str, str] = {}
    for index, entry in enumerate(entries):
        for name, given in entry.items():
            own = given or {}
            foreign = {key: source for key, source in sources.items() if key not in own}
            yield _Part(f"{index}.{name}", name, {**carried, **own}, foreign)
            if not is_separate:
                carried.update(own)
                sources.update(dict.fromkeys(own, name))
