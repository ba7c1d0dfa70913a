"""Boxes of text from network outputs, with PaddleOCR's names: one method, that of the runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from runtime.detection.boxes import OPTION_FIELDS, Boxes, BoxOptions, BoxType, ScoreMode, find_boxes
from training.distillation.decode import DistillationPostProcess
from training.registry import Registry


class DBPostProcess:
    """Boxes of one network's maps.

    Args:
        thresh, box_thresh, max_candidates, unclip_ratio, use_dilation, score_mode, box_type: as
            `BoxOptions` has them.

    Source: PaddleOCR `db_postprocess`.
    """

    def __init__(
        self,
        thresh: float = 0.3,
        box_thresh: float = 0.7,
        max_candidates: int = 1000,
        unclip_ratio: float = 2.0,
        use_dilation: bool = False,
        score_mode: ScoreMode = "fast",
        box_type: BoxType = "quad",
    ) -> None:
        self.options = BoxOptions(
            thresh, box_thresh, max_candidates, unclip_ratio, use_dilation, score_mode, box_type
        )

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report options out of range."""
        return [
            (name, f"expected {field.expected}, got {options[name]!r}")
            for name, field in OPTION_FIELDS.items()
            if name in options and not field.accepts(options[name])
        ]

    def __call__(self, prediction: Any, shapes: Any) -> list[Boxes]:
        """Find the boxes of a batch.

        Args:
            prediction: maps, float [N, C, H, W], the first channel of which counts; or a mapping
                that has them as `maps`, or as `head_out` where `return_all_feats` is on.
            shapes: of each image before it was resized: height and width in px first, [N, 2+].

        Returns:
            The boxes of each of N images, in px of the image before it was resized.
        """
        if isinstance(prediction, Mapping):
            prediction = prediction["maps" if "maps" in prediction else "head_out"]
        maps = np.asarray(prediction)[:, 0]
        return [
            find_boxes(probability, (float(shape[0]), float(shape[1])), self.options)
            for probability, shape in zip(maps, np.asarray(shapes), strict=True)
        ]


class DistillationDBPostProcess(DistillationPostProcess):
    """`DBPostProcess` of several networks.

    Args:
        model_name: the networks.
        thresh, box_thresh, max_candidates, unclip_ratio, use_dilation, score_mode, box_type: as
            `BoxOptions` has them; two defaults are others.

    Source: PaddleOCR `db_postprocess`, which takes a `key` too and does nothing with it.
    """

    def __init__(
        self,
        model_name: Sequence[str] | str = ("student",),
        thresh: float = 0.3,
        box_thresh: float = 0.6,
        max_candidates: int = 1000,
        unclip_ratio: float = 1.5,
        use_dilation: bool = False,
        score_mode: ScoreMode = "fast",
        box_type: BoxType = "quad",
    ) -> None:
        plain = DBPostProcess(
            thresh, box_thresh, max_candidates, unclip_ratio, use_dilation, score_mode, box_type
        )
        super().__init__(plain, model_name)

    problems_of = staticmethod(DBPostProcess.problems_of)


POST_PROCESSES = Registry(
    "post-process",
    {
        "DBPostProcess": DBPostProcess,
        "DistillationDBPostProcess": DistillationDBPostProcess,
    },
    unused=frozenset({"key", "mode"}),
)
