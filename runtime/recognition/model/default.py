"""Finds the Latin-script recogniser of this project, which is used when no model is named."""

from __future__ import annotations

from pathlib import Path

from runtime.errors import ArtifactError
from runtime.files import places_along

_FILE = Path("models", "latin", "student.onnx")


def default_model() -> Path:
    """Return the file of the recogniser, in a checkout or where a wheel has installed it.

    Raises:
        ArtifactError: if it is in neither place.
    """
    for place in places_along(_FILE):
        if place.is_file():
            return place
    raise ArtifactError(
        f"no model was given: expected --model FILE.onnx or FILE.plan, or the one that comes with "
        f"the project, {_FILE}; got neither"
    )
