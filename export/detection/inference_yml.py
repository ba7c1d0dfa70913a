"""Writes PaddleOCR's `inference.yml`, so that PaddleOCR 3 and PaddleX read the exported detector.

A distillation config would give `DistillationDBPostProcess`, which they refuse: the Student's map
alone is read, with `DBPostProcess`.

PaddleX takes the limit of a side from `resize_long`, whatever `limit_side_len` says, and which side
it limits from the model's name: the longer one of PP-OCRv3, v4 and v5, else the shorter one.
Source: PaddleX 3.7 `text_detection/predictor.py`.
"""

from __future__ import annotations

import logging
from typing import Any

import yaml

from runtime.detection.preprocess import SizePolicy
from runtime.detection.spec import DetectorSpec

log = logging.getLogger("export")

NAME_OF_LONGER, NAME_OF_SHORTER = "PP-OCRv5_mobile_det", "PP-OCRv6_small_det"
"""Models whose longer or shorter side PaddleX limits."""
_OF_LONGER = frozenset(
    f"PP-OCRv{version}_{size}_det" for version in (3, 4, 5) for size in ("mobile", "server")
)
_DEFAULT_LIMIT_PX = 736


def inference_yml(spec: DetectorSpec, model_name: str = "") -> str:
    """Return the content of `inference.yml`.

    Args:
        spec: of the exported network.
        model_name: under which PaddleX shall know it; one that limits the same side when empty.
    """
    resizing, is_longer = _resizing(spec.sizes)
    default = NAME_OF_LONGER if is_longer else NAME_OF_SHORTER
    if "image_shape" not in resizing and model_name and (model_name in _OF_LONGER) != is_longer:
        log.warning(
            "--model-name %s: PaddleX limits the %s side of its pages, the config the %s one; "
            "boxes will differ, leave the name out for %s",
            *(model_name, *("shorter", "longer")[:: 1 if is_longer else -1], default),
        )
    normalization = {
        "scale": spec.scale,
        "mean": list(spec.mean),
        "std": list(spec.std),
        "order": "hwc",
    }
    content = {
        "Global": {"model_name": model_name or default},
        "PreProcess": {
            "transform_ops": [
                {"DecodeImage": {"channel_first": False, "img_mode": spec.color_order}},
                {"DetLabelEncode": None},
                {"DetResizeForTest": resizing},
                {"NormalizeImage": normalization},
                {"ToCHWImage": None},
                {"KeepKeys": {"keep_keys": ["image", "shape", "polys", "ignore_tags"]}},
            ]
        },
        "PostProcess": {"name": "DBPostProcess", **vars(spec.boxes)},
    }
    text: str = yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
    return text


def _resizing(sizes: SizePolicy) -> tuple[dict[str, Any], bool]:
    """Return the options that decide, and whether the longer side is what they limit."""
    if sizes.image_shape is not None:
        return {"image_shape": [*sizes.image_shape], "keep_ratio": sizes.keep_ratio}, True
    if sizes.limit_side_len is None and sizes.resize_long is not None:
        return {"resize_long": sizes.resize_long}, True
    limit_px, limit_type = sizes.limit_side_len, str(sizes.limit_type)
    if limit_px is None:
        limit_px, limit_type = _DEFAULT_LIMIT_PX, "min"
    options = {
        "limit_side_len": limit_px,
        "limit_type": limit_type,
        "resize_long": limit_px,
        "max_side_limit": sizes.max_side_limit,
    }
    return options, limit_type != "min"
