"""Reads from PaddleOCR's `inference.yml` how a detector is fed and what is made of its map."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from runtime.detection.boxes import BoxOptions
from runtime.detection.preprocess import SizePolicy
from runtime.inference_yml import read_description

_OF_LONGER_SIDE = re.compile(r"PP-OCRv[345]_(mobile|server)_det")
"""Models of which PaddleOCR 3 takes `resize_long` for a limit of the longer side."""


def read_inference_yml(path: Path, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Read the file of a text detector.

    Args:
        path: of the file.
        defaults: fields of a `DetectorSpec` where the file says nothing: `sizes` and `boxes`.

    Returns:
        fields of a `DetectorSpec`.

    Raises:
        ArtifactError: if it is missing, damaged, or of another kind of model.
        EngineError: if PyYAML is not installed.
    """
    return read_description(
        path,
        lambda content: _parse(content, defaults),
        "describes no text detector: expected PostProcess.name DBPostProcess and "
        "PreProcess.transform_ops",
        "give the folder of an exported text detection model",
    )


def _parse(content: Any, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Take the entries from the file's content; errors of Python mean that some are missing."""
    said = content["PostProcess"]
    if said["name"] != "DBPostProcess":
        raise ValueError(f"PostProcess.name {said['name']!r}"[:100])
    found: dict[str, Any] = dict(defaults)
    found["boxes"] = BoxOptions(**{**vars(defaults["boxes"]), **_known(BoxOptions, said)})
    name = str((content.get("Global") or {}).get("model_name") or "")
    for transform in content["PreProcess"]["transform_ops"]:
        if not isinstance(transform, Mapping):
            continue
        decoding = transform.get("DecodeImage")
        if isinstance(decoding, Mapping):
            found["color_order"] = decoding.get("img_mode", "BGR")
        resizing = transform.get("DetResizeForTest")
        if isinstance(resizing, Mapping):
            found["sizes"] = _sizes(resizing, name, defaults["sizes"])
        normalizing = transform.get("NormalizeImage")
        if isinstance(normalizing, Mapping):
            found |= _normalization(normalizing)
    return found


def _sizes(said: Mapping[str, Any], model_name: str, default: SizePolicy) -> SizePolicy:
    """Read the sizes as PaddleOCR 3 does, which takes `resize_long` for a limit of a side.

    Source: PaddleX `text_detection/predictor.py`, `build_resize`.
    """
    if "image_shape" in said or "limit_side_len" in said:
        return SizePolicy(**_known(SizePolicy, said))
    if "resize_long" in said:
        side = "max" if _OF_LONGER_SIDE.fullmatch(model_name) else "min"
        limit_type = said.get("limit_type", side)
        return SizePolicy(limit_side_len=said["resize_long"], limit_type=limit_type)
    return default


def _normalization(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return scale, mean and std; a scale may be a quotient in words, such as `1./255.`."""
    found: dict[str, Any] = {
        name: tuple(float(value) for value in said[name])
        for name in ("mean", "std")
        if name in said
    }
    if "scale" in said:
        above, _, below = str(said["scale"]).partition("/")
        found["scale"] = float(above) / float(below or 1)
    return found


def _known(kind: type[Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries that are fields of a kind of options."""
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in said.items() if name in names and value is not None}
