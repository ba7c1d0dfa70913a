"""Finds the spec of a model file: its own if it has one, else PaddleOCR's conventions.

PaddleOCR's exports and RapidOCR's files say nothing of normalisation, sizes and boxes. What
`inference.yml` beside the file says is taken, and for the rest what PaddleOCR 3 reads pages with.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runtime.detection.boxes import BoxOptions
from runtime.detection.model.inference_yml import read_inference_yml
from runtime.detection.preprocess import SizePolicy
from runtime.detection.spec import DetectorSpec
from runtime.errors import ArtifactError
from runtime.inference_yml import FILE_NAME

logger = logging.getLogger(__name__)

DEFAULT_SIZES = SizePolicy(limit_side_len=736, limit_type="min", max_side_limit=4000)
DEFAULT_BOXES = BoxOptions(thresh=0.3, box_thresh=0.6, max_candidates=1000, unclip_ratio=1.5)
"""What PaddleOCR 3's pipeline reads pages with. Source: PaddleX `pipelines/OCR.yaml`."""

_CHARACTERS = "character"


def inferred_spec(
    metadata: Mapping[str, str], where: str, input_name: str, output_name: str
) -> DetectorSpec:
    """Return the spec of a model that carries none, and log what was taken for granted.

    Args:
        metadata: of the file.
        where: the file, for messages.
        input_name, output_name: of its tensors.

    Raises:
        ArtifactError: if it is a recogniser, or what stands beside it is no detector's.
        EngineError: if something stands beside it and PyYAML is not installed.
    """
    if metadata.get(_CHARACTERS):
        raise ArtifactError(
            f"{where} is no detector: expected a map of probabilities, got a model with a list of "
            "characters, a recogniser; give a detector, or read lines with Recognizer"
        )
    found: dict[str, Any] = {"sizes": DEFAULT_SIZES, "boxes": DEFAULT_BOXES}
    beside = Path(where).with_name(FILE_NAME)
    has_description = beside.is_file()
    if has_description:
        found = read_inference_yml(beside, found)
    try:
        spec = DetectorSpec(**found, input_name=input_name, output_name=output_name)
    except ArtifactError as error:
        raise ArtifactError(f"{beside}: {error}") from error
    sizes, boxes = spec.sizes, spec.boxes
    logger.info(
        "%s carries no spec: read %s: %s, sizes %s, thresh %g, box_thresh %g, unclip_ratio %g",
        where,
        f"as {FILE_NAME} beside it says" if has_description else "as PaddleOCR 3 reads pages",
        f"{spec.color_order}, (x * {spec.scale:.4g} - {list(spec.mean)}) / {list(spec.std)}",
        {name: value for name, value in vars(sizes).items() if value not in (None, False)},
        *(boxes.thresh, boxes.box_thresh, boxes.unclip_ratio),
    )
    return spec
