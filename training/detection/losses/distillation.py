"""Losses between detection networks, and the label loss of each of several."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import paddle
from paddle import nn
from paddle.nn import functional as F

from runtime.errors import ConfigError
from training.detection.heads.outputs import THREE_MAPS
from training.detection.losses.db import BINARY, MAIN_LOSSES, SHRINK, THRESHOLD, Batch, DBLoss, Maps
from training.detection.losses.maps import EPS
from training.detection.warn import warn_once
from training.distillation.divergences import DMLLoss
from training.distillation.losses import Outputs, Pairs, PairwiseLoss, as_pairs, pick
from training.losses import TOTAL
from training.registry import unknown_name

MapName = Literal["thrink_maps", "threshold_maps", "binary_maps"]
_CHANNELS = {"thrink_maps": SHRINK, "threshold_maps": THRESHOLD, "binary_maps": BINARY}
"""PaddleOCR's names, the first one with its misprint."""
_TEXT_ABOVE = 0.3
"""What a teacher marks as text."""


class DistillationDMLLoss(PairwiseLoss):
    """`DMLLoss` between maps of two networks, e.g. `dml_thrink_maps_0`.

    Without `use_log` PaddleOCR leaves a value for each image, which makes the total one: every
    other loss then counts once for each image of the batch.

    Args:
        model_name_pairs: of networks.
        act: activation applied first; None as maps are probabilities.
        use_log: compare by sums of logarithms, divided by N.
        key: which output of a network holds the maps, None for all that it returns.
        name: in the log.
        maps_name: which map; None for all three at once. Of a list PaddleOCR finds none, and the
            loss is 0.
        each_map: take every map of a list.
        reduction: `mean` makes the loss a scalar, so that no other loss counts more than once.
    """

    def __init__(
        self,
        model_name_pairs: Pairs,
        act: Literal["softmax", "sigmoid"] | None = None,
        use_log: bool = False,
        key: str | None = None,
        name: str = "dml",
        maps_name: MapName | Sequence[MapName] | None = None,
        each_map: bool = False,
        reduction: Literal["none", "mean"] = "none",
    ) -> None:
        is_by_image = reduction == "none" and not use_log
        plain = DMLLoss(act, use_log, by_image=is_by_image)
        super().__init__(plain, model_name_pairs, key, name)
        self.maps_names = [maps_name] if isinstance(maps_name, str) else maps_name
        if not isinstance(maps_name, str | None) and not each_map:
            self.maps_names = []
            warn_once(
                "DistillationDMLLoss: maps_name is a list, of which PaddleOCR finds no map: the "
                "loss is 0; each_map: true takes every one, or write one name"
            )
        elif is_by_image:
            warn_once(
                "DistillationDMLLoss gives a value for each image, as in PaddleOCR, so that every "
                "other loss counts once for each image of the batch; reduction: mean makes each "
                "count once"
            )

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report a map asked for of an output that is no three maps."""
        key = options.get("key")
        if options.get("maps_name") and key is not None and key not in THREE_MAPS:
            return [("key", f"expected {' or '.join(THREE_MAPS)} with maps_name, got {key}")]
        return []

    @staticmethod
    def head_outputs(options: Mapping[str, Any]) -> tuple[str, ...]:
        """Return which outputs of a head the loss takes."""
        return (options["key"],) if options.get("key") else ()

    def forward(self, outputs: Outputs, batch: Batch) -> dict[str, paddle.Tensor]:
        """Return a scalar or [N] for each pair and map, from the outputs of every network."""
        if self.maps_names is None:
            return super().forward(outputs, batch)
        results: dict[str, paddle.Tensor] = {}
        for index, pair in enumerate(self.pairs):
            for name in self.maps_names:
                first, second = self._pick_pair(outputs, pair, _CHANNELS[name])
                results[f"{self.name}_{name}_{index}"] = self.plain(first, second)
        return results or {TOTAL: paddle.zeros([])}


class DistillationDBLoss(nn.Layer):
    """`DBLoss` of each listed network, e.g. `db_Student_loss_shrink_maps`.

    Args:
        model_name_list: the networks.
        name: first word in the log.
        follow_options: compute as the following options say, which PaddleOCR takes and leaves
            aside: it computes as if they were not there.
        balance_loss, main_loss_type, alpha, beta, ohem_ratio, eps, aux_weight_p4, aux_weight_p3,
            aux_weight_p2, focal_alpha, focal_gamma, dice_weight, focal_weight: as `DBLoss` takes
            them.
    """

    def __init__(
        self,
        model_name_list: Sequence[str],
        name: str = "db",
        follow_options: bool = False,
        balance_loss: bool = True,
        main_loss_type: str = "DiceLoss",
        alpha: float = 5,
        beta: float = 10,
        ohem_ratio: float = 3,
        eps: float = EPS,
        aux_weight_p4: float = 0.0,
        aux_weight_p3: float = 0.0,
        aux_weight_p2: float = 0.0,
        focal_alpha: float = 0.25,
        focal_gamma: float = 2.0,
        dice_weight: float = 1.0,
        focal_weight: float = 1.0,
    ) -> None:
        options = {key: value for key, value in locals().items() if key in _DB_OPTIONS}
        super().__init__()
        self.plain = _build_plain("DistillationDBLoss", options, follow_options)
        self.model_name_list = list(model_name_list)
        self.name = name

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report options that `DBLoss` would refuse, where they count."""
        return _problems_of_plain(options)

    @staticmethod
    def head_outputs(options: Mapping[str, Any]) -> tuple[str, ...]:
        """Return which outputs of a head the loss takes."""
        return ("maps",)

    def forward(self, outputs: Outputs, batch: Batch) -> dict[str, paddle.Tensor]:
        """Return each listed network's parts, and under `loss` what counts of them."""
        results, totals = {}, []
        for network in self.model_name_list:
            parts = self.plain(outputs[network], batch)
            totals.append(parts.pop(TOTAL))
            for part, value in parts.items():
                results[f"{self.name}_{network}_{part}"] = value
        return {**results, TOTAL: paddle.add_n(totals)}


class DistillationDilaDBLoss(nn.Layer):
    """`DBLoss` of a student whose label is a teacher's text, one pixel wider.

    The threshold has no label there. Logged as `dila_dbloss_Student_Teacher`.

    Args:
        model_name_pairs: of student and teacher.
        key: which output of a network holds the maps, None for all that it returns.
        name: first word in the log.
        follow_options: compute as the following options say, which PaddleOCR takes and leaves
            aside: it computes as if they were not there.
        balance_loss, main_loss_type, alpha, beta, ohem_ratio, eps: as `DBLoss` takes them.
        everywhere: learn from all of a page, also where its labels say to ignore the text, and
            from pages without labels; PaddleOCR leaves out what the labels leave out.

    Source: PP-OCRv2, collaborative mutual learning (arXiv:2109.03144); PaddleOCR
    `distillation_loss`.
    """

    def __init__(
        self,
        model_name_pairs: Pairs,
        key: str | None = None,
        name: str = "dila_dbloss",
        follow_options: bool = False,
        balance_loss: bool = True,
        main_loss_type: str = "DiceLoss",
        alpha: float = 5,
        beta: float = 10,
        ohem_ratio: float = 3,
        eps: float = EPS,
        everywhere: bool = False,
    ) -> None:
        options = {name: value for name, value in locals().items() if name in _DB_OPTIONS}
        super().__init__()
        self.plain = _build_plain("DistillationDilaDBLoss", options, follow_options)
        self.pairs = as_pairs(model_name_pairs)
        self.key = key
        self.name = name
        self.everywhere = everywhere

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report options that `DBLoss` would refuse, where they count."""
        return _problems_of_plain(options)

    @staticmethod
    def head_outputs(options: Mapping[str, Any]) -> tuple[str, ...]:
        """Return which outputs of a head the loss takes."""
        return (options.get("key") or "maps",)

    def forward(self, outputs: Outputs, batch: Batch) -> dict[str, paddle.Tensor]:
        """Return a scalar for each pair, from the outputs of every network and the batch."""
        results = {}
        for student, teacher in self.pairs:
            label = dilated(_maps(outputs, teacher, self.key)[:, SHRINK] > _TEXT_ABOVE)
            maps = _maps(outputs, student, self.key)
            mask = paddle.ones_like(label) if self.everywhere else batch["shrink_mask"]
            loss = self.plain.of_regions(maps, label, mask)
            results[f"{self.name}_{student}_{teacher}"] = loss
        return results


def dilated(mask: paddle.Tensor) -> paddle.Tensor:
    """Widen a mask by a pixel to the right and below.

    Args:
        mask: bool [N, H, W].

    Returns:
        float32 [N, H, W], 1 where the mask holds there, above, on the left or above on the left:
        what OpenCV's `dilate` makes of it with a kernel of 2x2 ones.
    """
    values = mask.astype("float32").unsqueeze(1)
    return F.max_pool2d(F.pad(values, [1, 0, 1, 0]), 2, stride=1).squeeze(1)


def _maps(outputs: Outputs, network: str, key: str | None) -> paddle.Tensor:
    """Return the maps float32 [N, 3, H, W] of a network; of an ONNX file there is the first."""
    maps: Maps | paddle.Tensor = pick(outputs, network, key)
    return maps["maps"] if isinstance(maps, Mapping) else maps


_DB_OPTIONS = frozenset(inspect.signature(DBLoss).parameters)


def _build_plain(loss: str, options: Mapping[str, Any], follow_options: bool) -> DBLoss:
    """Build the `DBLoss` inside a loss, with its options or without, as PaddleOCR does."""
    if follow_options:
        for key, message in _problems_of_plain({**options, "follow_options": True}):
            raise ConfigError(f"{loss}.{key}: {message}")
        return DBLoss(**options)
    defaults = inspect.signature(DBLoss).parameters
    unheeded = [key for key, value in options.items() if value != defaults[key].default]
    if unheeded:
        warn_once(
            f"{loss} leaves {', '.join(unheeded)} aside, as in PaddleOCR; follow_options: true "
            "heeds them"
        )
    return DBLoss()


def _problems_of_plain(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    if not options.get("follow_options"):
        return []
    name = options.get("main_loss_type", MAIN_LOSSES[0])
    if name not in MAIN_LOSSES:
        return [("main_loss_type", unknown_name("loss", name, MAIN_LOSSES))]
    return DBLoss.problems_of(options)
