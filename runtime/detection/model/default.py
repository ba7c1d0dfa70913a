"""Finds the detector of this project, which is used when none is named."""

from __future__ import annotations

import sys
from pathlib import Path

from runtime.errors import ArtifactError

_FILE = Path("models", "lines", "detector.onnx")


def default_detector() -> Path:
    """Return the file of the detector, in a checkout or where a wheel has installed it.

    Raises:
        ArtifactError: if it is in neither place.
    """
    for place in (Path(__file__).parents[3], Path(sys.prefix, "share", "distilrec")):
        if (place / _FILE).is_file():
            return place / _FILE
    raise ArtifactError(
        "no detector was given: expected --detector FILE.onnx or FILE.plan, which finds the lines "
        "that --model reads"
    )
