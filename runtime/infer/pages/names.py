"""Names the files that are written for each file of pages."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

_NO_NAME = "page"


class Names:
    """Places in a folder, no two of which are the same.

    What was found in a folder keeps its place below it; where several folders were named, below a
    folder of that one's name. Anything else has its own name. One that is taken, in whatever case,
    gets a number.

    Args:
        folder: in which the files are written.
        given: names on the command line.
    """

    def __init__(self, folder: Path, given: Sequence[str]) -> None:
        self._folder = folder
        self._roots = [name.rstrip("/") for name in given if "://" in name or os.path.isdir(name)]
        self._taken: set[str] = set()

    def stem_of(self, file: str) -> str:
        """Return the place of a file in the folder, without its suffix."""
        roots = [root for root in self._roots if file.startswith(f"{root}/")]
        root = max(roots, key=len, default=None)
        path = PurePosixPath(Path(file).name)
        if root is not None:
            path = PurePosixPath(file[len(root) :].lstrip("/"))
            own = os.path.basename(root)
            if len(self._roots) > 1 and own not in ("", ".", ".."):
                path = own / path
        if ".." in path.parts:
            path = PurePosixPath(path.name)
        return str(path.with_name(path.stem or _NO_NAME)) if path.name else _NO_NAME

    def free(self, stem: str, suffixes: Sequence[str]) -> str:
        """Return a stem with which no file of these suffixes was written, and take it."""
        number, found = 1, stem
        while any(f"{found}{suffix}".casefold() in self._taken for suffix in suffixes):
            number += 1
            found = f"{stem}-{number}"
        self._taken.update(f"{found}{suffix}".casefold() for suffix in suffixes)
        return found

    def path(self, stem: str, suffix: str) -> Path:
        """Return where a file of a stem lies."""
        return self._folder / f"{stem}{suffix}"
