"""Images that names stand for, as label files can list them: those that are files, and others."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.errors import ImageError
from runtime.files import write_atomically
from runtime.images.pdf.source import PdfPage
from runtime.images.sources import Page, Refused

Source = str | Page | PdfPage | Refused
"""As `runtime.images.sources.sources_from` yields them."""
Identity = tuple[int, int]
"""Size in bytes and time of the last change of a file, in ns."""


def name_of(source: Source) -> str:
    """Return the name of an image in messages."""
    return source if isinstance(source, str) else source.name


def identity_of(source: Source) -> Identity:
    """Return what tells whether the file of an image has changed; zeros if there is none."""
    path = source if isinstance(source, str) else getattr(source, "path", source.name)
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # a zero byte in a path is a ValueError
        return 0, 0
    return found.st_size, found.st_mtime_ns


def listed_path(source: Source) -> str | None:
    """Return the absolute path of an image as a label file can name it.

    None for a page of a file with several, and for a path that a label file would not give back.
    """
    if not isinstance(source, str) or not source.isprintable() or source.strip() != source:
        return None
    return os.path.abspath(source)


def path_beside(folder: Path, source: Source, number: int = 0) -> Path:
    """Return where a part of an image is written as a file of its own: another for every change.

    Args:
        folder: of these files.
        source: the image.
        number: of the part.
    """
    about = f"{name_of(source)} {identity_of(source)}"
    digest = hashlib.sha256(about.encode(errors="surrogatepass")).hexdigest()
    return folder.absolute() / f"{digest[:16]}_{number:04}.png"


def write_image(path: Path, image: NDArray[np.uint8]) -> None:
    """Write BGR uint8 [h, w, 3] as PNG, whole or not at all.

    Raises:
        ImageError: if it cannot be encoded.
        OSError: if the disk refuses.
    """
    is_done, data = cv2.imencode(".png", image)
    if not is_done:
        raise ImageError(f"{path}: an image of {list(image.shape)} cannot be written as PNG")
    write_atomically(path, data.tobytes())


def relative_to(path: str, folder: Path) -> str:
    """Return a path as a label file in a folder names it: relative where it lies in it."""
    folder = folder.absolute()
    return os.path.relpath(path, folder) if Path(path).is_relative_to(folder) else path
