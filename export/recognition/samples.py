"""Line images prepared, batched and rendered for comparing forms of a recogniser."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from runtime.batching import batches_by_width
from runtime.errors import OcrError, ParityError
from runtime.recognition.charset import Charset
from runtime.recognition.preprocess import Image, batch_from_lines, prepare_line
from runtime.recognition.spec import RecognizerSpec

_PIXELS_PER_BATCH = 16 * 32 * 640
"""Bounds the memory of a batch; a line wider than that goes alone."""
_MOST_LINES_PER_BATCH = 16
_NUM_RENDERED = 64


@dataclass(frozen=True)
class LineBatch:
    """Lines of one width.

    Args:
        positions: numbers of the lines among all.
        lines: uint8 [H, w, C] each.
        width_px: W.
        spec: of the network.
    """

    positions: tuple[int, ...]
    lines: tuple[Image, ...]
    width_px: int
    spec: RecognizerSpec

    @cached_property
    def inputs(self) -> NDArray[np.float32]:
        """The lines normalised and padded, [N, C, H, W]."""
        return batch_from_lines(self.lines, self.width_px, self.spec.mean, self.spec.std)


@dataclass(frozen=True)
class Lines:
    """Line images made ready once, and batched as the runtime does.

    Args:
        spec: of the network.
        images: BGR uint8 [h, w, 3].
        prepared: uint8 [H, w, C] each.
        samples_from: what they are.
    """

    spec: RecognizerSpec
    images: tuple[Image, ...]
    prepared: tuple[Image, ...]
    samples_from: str

    @classmethod
    def of(cls, images: Sequence[Image], spec: RecognizerSpec, samples_from: str) -> Lines:
        """Prepare images, BGR uint8 [h, w, 3]."""
        prepared = tuple(prepare_line(image, spec) for image in images)
        return cls(spec, tuple(images), prepared, samples_from)

    def __len__(self) -> int:
        return len(self.prepared)

    @property
    def widths_px(self) -> list[int]:
        """W of each line."""
        return [self.spec.width.input_width(line.shape[1]) for line in self.prepared]

    def subset(self, numbers: Sequence[int]) -> Lines:
        """Take only the lines of these numbers, in their order."""
        images, prepared = (
            tuple(lines[number] for number in numbers) for lines in (self.images, self.prepared)
        )
        return Lines(self.spec, images, prepared, self.samples_from)

    def batches(self, most: int | None = None) -> Iterator[LineBatch]:
        """Batch lines of equal width; see `Samples.batches`."""
        sized = zip(self.widths_px, self.prepared, strict=True)
        for group in batches_by_width(sized, most or _MOST_LINES_PER_BATCH, len(self) or 1):
            size = most or max(1, _PIXELS_PER_BATCH // (self.spec.height * group.width))
            for start in range(0, len(group.lines), size):
                part = slice(start, start + size)
                yield LineBatch(group.positions[part], group.lines[part], group.width, self.spec)


def rendered_lines(charset: Charset) -> tuple[list[Image], str]:
    """Render lines to compare on where no images are given; return them and what they are.

    Raises:
        ParityError: if what renders them is not installed.
    """
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
