"""The line images that forms are compared on, prepared and batched as the runtime does."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from runtime.batching import batches_by_width
from runtime.errors import OcrError, ParityError
from runtime.images.read import find_images, read_image
from runtime.recognition.charset import Charset
from runtime.recognition.preprocess import Image, prepare_line
from runtime.recognition.spec import RecognizerSpec

BATCH_SIZE = 16
_NUM_RENDERED = 64

T = TypeVar("T")

log = logging.getLogger("export")


def prepared_batches(
    lines: Iterable[Image], spec: RecognizerSpec, batch_size: int = BATCH_SIZE
) -> Iterator[tuple[tuple[int, ...], tuple[Image, ...], int]]:
    """Lines as the runtime would prepare and batch them.

    Args:
        lines: BGR uint8 [h, w, 3].
        spec: of the network.
        batch_size: N at most.

    Returns:
        for each batch the lines' positions, the prepared lines and W in px.
    """
    prepared = (prepare_line(line, spec) for line in lines)
    widths = ((spec.width.input_width(one.shape[1]), one) for one in prepared)
    for group in batches_by_width(widths, batch_size):
        yield group.positions, group.lines, group.width


def comparison_lines(paths: Sequence[str | Path], charset: Charset) -> tuple[list[Image], str]:
    """Lines to compare on: the images of `paths`, or rendered ones when there are none.

    Raises:
        ParityError: if paths are given and none of them can be read.
    """
    if not paths:
        return _rendered_lines(charset)
    named, _ = readable_lines(paths)
    return list(named.values()), f"{len(named)} images"


def readable_lines(paths: Sequence[str | Path]) -> tuple[Mapping[str, Image], int]:
    """The images that can be read, by their paths, and how many cannot.

    Raises:
        ParityError: if none can.
    """
    lines: dict[str, Image] = {}
    num_unreadable = 0
    for path in find_images(paths):
        try:
            lines[path] = read_image(path)
        except OcrError as error:  # a broken image says nothing about the network
            log.warning("left out: %s", error)
            num_unreadable += 1
    if not lines:
        raise ParityError(
            f"no readable image in {', '.join(map(str, paths))}: expected line images to compare "
            "on; check --images"
        )
    return lines, num_unreadable


def evenly_spaced(items: Sequence[T], most: int) -> list[T]:
    """At most `most` of the items, from the whole of them, in order."""
    step = max(1.0, len(items) / max(1, most))
    return [items[int(number * step)] for number in range(min(len(items), most))]


def _rendered_lines(charset: Charset) -> tuple[list[Image], str]:
    try:
        from training.data.synthetic import SyntheticDataSet
    except ImportError as error:
        raise ParityError(
            f"lines to compare on cannot be rendered here ({error}): give some with --images, or "
            "pip install 'distilrec[train]'"
        ) from error
    try:
        rendered = SyntheticDataSet(charset.characters, count=_NUM_RENDERED, seed=0)
        return [rendered.line(index)[0] for index in range(len(rendered))], "rendered lines"
    except OcrError:
        rng = np.random.default_rng(0)
        widths = rng.integers(16, 480, _NUM_RENDERED)
        noise = [rng.integers(0, 256, (32, width, 3)).astype(np.uint8) for width in widths]
        return noise, "noise, because no font here has these characters"
