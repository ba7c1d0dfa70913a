"""Finds the detector of this project, which is used when none is named."""

from __future__ import annotations

from pathlib import Path

from runtime.errors import ArtifactError
from runtime.files import places_along

_FILE = Path("models", "lines", "detector.onnx")


def default_detector() -> Path:
    """Return the file of the detector, in a checkout or where a wheel has installed it.

    Raises:
        ArtifactError: if it is in neither place.
    """
    for place in places_along(_FILE):
        if place.is_file():
            return place
    raise ArtifactError(
        f"no detector was given: expected --detector FILE.onnx or FILE.plan, or the one that comes "
        f"with the project, {_FILE}; got neither"
    )
