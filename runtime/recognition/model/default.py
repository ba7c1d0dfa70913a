"""Finds the Latin-script recogniser of this project, which is used when no model is named."""

from __future__ import annotations

import sys
from pathlib import Path

from runtime.errors import ArtifactError

_FILE = Path("models", "latin", "student.onnx")


def default_model() -> Path:
    """Return the file of the recogniser, in a checkout or where a wheel has installed it.

    Raises:
        ArtifactError: if it is in neither place.
    """
    places = (Path(__file__).parents[3], Path(sys.prefix, "share", "distilrec"))
    for place in places:
        if (place / _FILE).is_file():
            return place / _FILE
    raise ArtifactError(
        f"no model was given: expected --model FILE.onnx or FILE.plan, or the one that comes with "
        f"the project, {_FILE} in {' or '.join(map(str, places))}; got neither"
    )
