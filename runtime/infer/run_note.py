"""With what a file of results was begun, noted beside it until the run is complete."""

from __future__ import annotations

import contextlib
import json
import os
from argparse import Namespace
from pathlib import Path

from runtime.errors import ArtifactError
from runtime.files import sha256_of_file, written_atomically
from runtime.standard_streams import say

_MOST_BYTES = 2**16
_OPTIONS = ("dictionary", "compat", "alternatives", "max_pixels", "device", "csv_safe")


class RunNote:
    """Compares a run that goes on with the one that began, and warns where they differ.

    Args:
        output: the file or folder of results.
        arguments: the command line of this run.
    """

    def __init__(self, output: str | Path, arguments: Namespace) -> None:
        place = Path(os.path.realpath(output))
        self.path = place / ".run" if place.is_dir() else place.with_name(f".{place.name}.run")
        self._output = output
        self._settings: dict[str, object] = {
            "model": os.path.basename(arguments.model),
            "sha256": _hash_of(arguments.model),
            **{name: getattr(arguments, name) for name in _OPTIONS},
        }

    def compare(self) -> None:
        """Say in one line which settings of the earlier run were other ones, if it is known."""
        before = self._before()
        differing = [
            f"{name} {before[name]!r}, now {value!r}"
            for name, value in self._settings.items()
            if name in before and before[name] != value
        ]
        if differing:
            say(
                f"infer: warning: the results in {self._output} were begun with other settings: "
                f"{'; '.join(differing)[:2000]}"
            )

    def write(self, is_continued: bool) -> None:
        """Note the settings of this run; where that is impossible none are known later.

        Args:
            is_continued: whether there are results of an earlier run, whose note stays.
        """
        if not (is_continued and self.path.exists()):
            with contextlib.suppress(OSError, ArtifactError), written_atomically(self.path) as file:
                json.dump(self._settings, file)

    def remove(self) -> None:
        """Forget them: the run is complete."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _before(self) -> dict[str, object]:
        try:
            with self.path.open("rb") as file:
                found = json.loads(file.read(_MOST_BYTES))
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def _hash_of(model: str | Path) -> str | None:
    try:
        return sha256_of_file(model)
    except OSError:
        return None  # whoever opens it says why
