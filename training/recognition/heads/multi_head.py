"""MultiHead: CTC, which is deployed, beside a decoder that guides the features in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import paddle
from paddle import nn
from paddle.nn import functional as F

from runtime.errors import ConfigError
from training.recognition.heads.ctc_head import CTCHead
from training.recognition.heads.labels import has_labels
from training.recognition.heads.nrtr_head import NRTRHead
from training.recognition.heads.sar_head import SARHead
from training.recognition.necks import read_encoder
from training.registry import Component, Problems, Registry, unknown_name

_CTC = "CTCHead"
_INJECTED = frozenset({"in_channels", "out_channels"})
_CTC_HEADS = Registry("head", {_CTC: CTCHead}, injected=_INJECTED)
_GUIDE_TYPES: Mapping[str, type[NRTRHead] | type[SARHead]] = {
    "NRTRHead": NRTRHead,
    "SARHead": SARHead,
}
_GUIDES = Registry(
    "head",
    _GUIDE_TYPES,
    injected=_INJECTED,
    unused=frozenset({"max_text_length"}),  # of reading without labels
)
_POOLED_ROWS = 3
MAX_POSITIONS = 80


@dataclass(frozen=True)
class _HeadList:
    """A `head_list`, checked."""

    neck: Component
    ctc: Component
    guide: Component


class MultiHead(nn.Layer):
    """Class logits by CTC, and in training those of a second decoder on the same features.

    Args:
        in_channels: C of the backbone.
        out_channels: K of CTC; `SARHead` takes K + 2 classes, `NRTRHead` K + 3.
        head_list: `CTCHead` with `Neck` (a `SequenceEncoder`, its type under `name`) and `Head`
            (options of `CTCHead`), and one of `SARHead` and `NRTRHead` with its options.
        use_pool: the backbone leaves a sequence of 3 rows [N, 3 W, C], which are averaged to one,
            two columns to a time step.
        use_pos: NRTRHead's features have learned positions, 80 at most.

    Source: Hu et al. 2020, GTC (arXiv:2002.01276); Li et al. 2022, PP-OCRv3 (arXiv:2206.03001);
    PaddleOCR `rec_multi_head`.
    """

    has_own_neck: ClassVar[bool] = True
    training_only: ClassVar[tuple[str, ...]] = ("before_gtc", "gtc_head", "sar_head")

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        head_list: Sequence[Any],
        use_pool: bool = False,
        use_pos: bool = False,
    ) -> None:
        super().__init__()
        problems = Problems()
        heads = _read(head_list, "MultiHead.head_list", problems)
        problems.raise_any()
        assert heads is not None
        self.in_channels = in_channels
        self.use_pool = use_pool
        self.ctc_encoder = heads.neck.build(in_channels=in_channels)
        self.ctc_head = heads.ctc.build(
            in_channels=self.ctc_encoder.out_channels, out_channels=out_channels
        )
        num_more_classes = _GUIDE_TYPES[heads.guide.name].num_more_classes
        guide = heads.guide.build(
            in_channels=in_channels, out_channels=out_channels + num_more_classes
        )
        self.has_nrtr = isinstance(guide, NRTRHead)
        if isinstance(guide, NRTRHead):
            layers = [nn.Flatten(2), SequenceLinear(in_channels, guide.width)]
            if use_pos:
                layers.append(LearnedPositions(guide.width))
            self.before_gtc = nn.Sequential(*layers)
            self.gtc_head = guide
        else:
            self.sar_head = guide

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report what is wrong with the heads, each under its place in `head_list`."""
        problems = Problems()
        _read(options["head_list"], "head_list", problems)
        return [(problem.path, problem.message) for problem in problems]

    def forward(self, features: paddle.Tensor, batch: Any = None) -> dict[str, Any]:
        """Map the backbone's features to what the losses take.

        Args:
            features: float32 [N, C, H, W]; with `use_pool` [N, 3 W, C].
            batch: by PaddleOCR's names; the second decoder runs if its labels are there.

        Returns:
            `ctc`, what CTCHead gives, e.g. logits float32 [N, T, K]; `ctc_neck`, the sequence
            float32 [N, T, C'] that it takes; with labels `sar` or `gtc`, logits of that decoder.
        """
        rows = self._rows(features)
        sequence = self.ctc_encoder(rows)
        outputs = {"ctc": self.ctc_head(sequence), "ctc_neck": sequence}
        guide = self.gtc_head if self.has_nrtr else self.sar_head
        if has_labels(batch, guide.output_name):
            seen = self.before_gtc(rows) if self.has_nrtr else rows
            outputs[guide.output_name] = guide(seen, batch)
        return outputs

    def logits(self, features: paddle.Tensor) -> paddle.Tensor:
        """Map the backbone's features to CTC's logits float32 [N, T, K]; all that is deployed."""
        return self.ctc_head.logits(self.ctc_encoder(self._rows(features)))

    def _rows(self, features: paddle.Tensor) -> paddle.Tensor:
        """Return features as [N, C, H, W], pooled if asked; raises ConfigError for a sequence."""
        is_sequence = len(features.shape) == 3
        if is_sequence != self.use_pool:
            raise ConfigError(
                f"the backbone leaves {'a sequence' if is_sequence else 'rows'}: expected "
                f"Head.use_pool to be {str(is_sequence).lower()}, got {str(self.use_pool).lower()}"
            )
        if not self.use_pool:
            return features
        rows = features.reshape([0, _POOLED_ROWS, -1, self.in_channels])
        return F.avg_pool2d(rows.transpose([0, 3, 1, 2]), [_POOLED_ROWS, 2])


class SequenceLinear(nn.Layer):
    """One matrix, without bias, on every place of a flat feature map."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.fc = nn.Linear(in_channels, out_channels, bias_attr=False)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, T] to float32 [N, T, out_channels]."""
        return self.fc(x.transpose([0, 2, 1]))


class LearnedPositions(nn.Layer):
    """Adds a learned vector to each of the first 80 time steps."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dec_pos_embed = self.create_parameter(
            [1, MAX_POSITIONS, width],
            default_initializer=nn.initializer.TruncatedNormal(std=0.02),
        )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, T, C], T at most 80, to the same shape."""
        if x.shape[1] > MAX_POSITIONS:
            raise ConfigError(
                f"use_pos has {MAX_POSITIONS} positions: expected at most as many time steps, "
                f"got {x.shape[1]}; use narrower images"
            )
        return x + self.dec_pos_embed[:, : x.shape[1]]


def _read(head_list: Sequence[Any], path: str, problems: Problems) -> _HeadList | None:
    """Read a `head_list`; None if anything is wrong with it."""
    num_problems = len(problems)
    parts: dict[str, Component | None] = {}
    names = []
    for index, entry in enumerate(head_list):
        place = f"{path}.{index}"
        if not isinstance(entry, Mapping) or len(entry) != 1:
            problems.add(place, f"expected one head with its options, got {entry!r}")
            continue
        ((name, options),) = entry.items()
        names.append(name)
        if name == _CTC:
            parts |= _read_ctc(options, f"{place}.{name}", problems)
        elif name in _GUIDES.builders:
            parts["guide"] = _GUIDES.read_options(name, options, f"{place}.{name}", problems)
        else:
            problems.add(place, unknown_name("head", name, [_CTC, *_GUIDES.builders]))
    if len(problems) == num_problems and (
        len(names) != 2 or _CTC not in names or "guide" not in parts
    ):
        guides = " or ".join(_GUIDES.builders)
        problems.add(path, f"expected {_CTC} and {guides}, got {', '.join(names) or 'none'}")
    if len(problems) > num_problems:
        return None
    return _HeadList(**parts)  # type: ignore[arg-type]


def _read_ctc(options: object, path: str, problems: Problems) -> dict[str, Component | None]:
    """Read the CTC entry, `Neck` and `Head`."""
    if not isinstance(options, Mapping):
        problems.add(path, f"expected Neck and Head, got {options!r}")
        return {}
    for key in options.keys() - {"Neck", "Head"}:
        problems.add(f"{path}.{key}", unknown_name("key", key, ["Neck", "Head"]))
    return {
        "neck": read_encoder(options.get("Neck"), f"{path}.Neck", problems),
        "ctc": _CTC_HEADS.read_options(_CTC, options.get("Head"), f"{path}.Head", problems),
    }
