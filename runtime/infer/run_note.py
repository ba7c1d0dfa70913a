"""Notes the settings of a run beside its file of results, until the run is complete."""

from __future__ import annotations

import contextlib
import json
import os
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from runtime.errors import ArtifactError
from runtime.files import sha256_of_file, written_atomically
from runtime.program import tell

_MOST_BYTES = 2**16
_HASHES = {"model": "sha256"}


class RunNote:
    """Compares the settings of a resumed run with those of the first, and warns of differences.

    Args:
        output: the file or folder of results.
        arguments: the command line of this run.
        options: names of those that are compared, besides the models.
        models: names of the options that name model files.
    """

    def __init__(
        self,
        output: str | Path,
        arguments: Namespace,
        options: Sequence[str],
        models: Sequence[str] = ("model",),
    ) -> None:
        place = Path(os.path.realpath(output))
        self.path = place / ".run" if place.is_dir() else place.with_name(f".{place.name}.run")
        self._output = output
        self._settings: dict[str, object] = {
            **{name: os.path.basename(getattr(arguments, name)) for name in models},
            **{
                _HASHES.get(name, f"{name}_sha256"): _hash_of(getattr(arguments, name))
                for name in models
            },
            **{name: getattr(arguments, name) for name in options},
        }

    def compare(self) -> None:
        """Warn, in one line, of settings that differ from the noted ones."""
        before = self._read()
        differing = [
            f"{name} {before[name]!r}, now {value!r}"
            for name, value in self._settings.items()
            if name in before and before[name] != value
        ]
        if differing:
            tell(
                "infer",
                f"warning: the results in {self._output} were begun with other settings: "
                f"{'; '.join(differing)[:2000]}",
            )

    def write(self, is_continued: bool) -> None:
        """Write the settings of this run; errors are ignored, and no note is left then.

        Args:
            is_continued: whether there are results of an earlier run, whose note stays.
        """
        if not (is_continued and self.path.exists()):
            with contextlib.suppress(OSError, ArtifactError), written_atomically(self.path) as file:
                json.dump(self._settings, file)

    def remove(self) -> None:
        """Remove the note, as the run is complete."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _read(self) -> dict[str, object]:
        """Return the noted settings, none if there is no valid note."""
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
        return None  # opening the model reports the error
