"""The images on which statistics are measured, read one after the other."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from export.proof.samples import evenly_spaced
from export.reversal.contract import Image
from runtime.errors import ConfigError, OcrError
from runtime.images.read import find_images, read_image

_MOST_LISTED = 2**20
log = logging.getLogger("export")


class ImageFiles:
    """Files of images, of which those that cannot be read are left out.

    Args:
        paths: files, folders, patterns.
        count: how many are taken at most, from the whole of them.

    Raises:
        ConfigError: if none can be read.
    """

    def __init__(self, paths: Sequence[str | Path], count: int) -> None:
        listed = list(islice(find_images(paths), _MOST_LISTED))
        self._files = evenly_spaced(listed, count)
        readable = []
        for file in self._files:
            try:
                read_image(file)
            except OcrError as error:
                log.warning("left out: %s", error)
            else:
                readable.append(file)
        self._files = readable
        if not readable:
            raise ConfigError(
                f"--calibrate: no readable image in {', '.join(map(str, paths))}: expected images "
                "of the kind that the model reads"
            )

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[Image]:
        """Read the images, BGR uint8 [h, w, 3]."""
        return map(read_image, self._files)
