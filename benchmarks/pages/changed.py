"""Pages turned, skewed, side by side, enlarged and of giant scans, with their labels moved along.

    python -m benchmarks.pages.changed --labels LABELS --output DIR [--changes turned_90 skewed …]

For each change a label file `DIR/CHANGE.txt` and its pictures in `DIR/CHANGE/`. What is drawn is a
function of the seed and the page's place in the label file. Exit status: 0 written, 2 not.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.measuring.command import command_parser
from benchmarks.pages.labels import LabelledPage, labelled_pages
from runtime.errors import ArtifactError, OcrError
from runtime.files import write_atomically
from runtime.images.read import read_image

Image = NDArray[np.uint8]
Matrix = NDArray[np.float64]

_LEAST_DEGREES, _MOST_DEGREES = 1.0, 15.0
_ENLARGED = 4
_GIANT = (12_000, 9_000)
"""Width and height in px of a giant scan."""
_GAP = 0.04
"""Of the wider page, between two that lie beside each other."""
_MOST_PIXELS = 2**28
_QUALITY = 95


class ChangedPage(NamedTuple):
    """A page and its label.

    Args:
        pixels: BGR uint8 [h, w, 3].
        entries: `transcription` and `points` of each text.
    """

    pixels: Image
    entries: list[dict[str, Any]]


Draw = np.random.Generator
Change = Callable[[Sequence[ChangedPage], Draw], ChangedPage]
"""Makes a page of one and the next of the label file."""


def plain(pages: Sequence[ChangedPage], draw: Draw) -> ChangedPage:
    """Leave a page as it is."""
    return pages[0]


def turned(quarters: int) -> Change:
    """Return the change that turns a page clockwise by so many right angles."""

    def change(pages: Sequence[ChangedPage], draw: Draw) -> ChangedPage:
        page = pages[0]
        height, width = page.pixels.shape[:2]
        pixels = np.ascontiguousarray(np.rot90(page.pixels, -quarters))
        cosine, sine = (
            round(math.cos(quarters * math.pi / 2)),
            round(math.sin(quarters * math.pi / 2)),
        )
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]])
        turn = np.array([[cosine, -sine], [sine, cosine]])
        shift = -(corners @ turn.T).min(axis=0)
        matrix = np.array([[cosine, -sine, shift[0]], [sine, cosine, shift[1]]], dtype=np.float64)
        return ChangedPage(pixels, moved(page.entries, matrix))

    return change


def skewed(pages: Sequence[ChangedPage], draw: Draw) -> ChangedPage:
    """Turn a page by 1 to 15 degrees, either way, on a picture that holds it whole."""
    page = pages[0]
    angle = draw.uniform(_LEAST_DEGREES, _MOST_DEGREES) * draw.choice((-1, 1))
    height, width = page.pixels.shape[:2]
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    new_width = math.ceil(width * cosine + height * abs(sine))
    new_height = math.ceil(height * cosine + width * abs(sine))
    turn = np.array([[cosine, -sine], [sine, cosine]])
    shift = np.array([new_width, new_height]) / 2 - turn @ (np.array([width, height]) / 2)
    matrix = np.column_stack([turn, shift])
    pixels = cv2.warpAffine(
        page.pixels,
        matrix,
        (new_width, new_height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=_paper(page.pixels),
    )
    return ChangedPage(np.asarray(pixels, dtype=np.uint8), moved(page.entries, matrix))


def side_by_side(pages: Sequence[ChangedPage], draw: Draw) -> ChangedPage:
    """Put the next page to the right of a page, both from the upper edge."""
    left, right = pages
    height = max(page.pixels.shape[0] for page in pages)
    gap = round(_GAP * max(page.pixels.shape[1] for page in pages))
    begin = left.pixels.shape[1] + gap
    pixels = np.empty((height, begin + right.pixels.shape[1], 3), dtype=np.uint8)
    pixels[:] = _paper(left.pixels)
    for page, x in ((left, 0), (right, begin)):
        pixels[: page.pixels.shape[0], x : x + page.pixels.shape[1]] = page.pixels
    matrix = np.array([[1, 0, begin], [0, 1, 0]], dtype=np.float64)
    return ChangedPage(pixels, [*left.entries, *moved(right.entries, matrix)])


def enlarged(pages: Sequence[ChangedPage], draw: Draw) -> ChangedPage:
    """Make a page four times as high and wide."""
    page = pages[0]
    height, width = page.pixels.shape[:2]
    if height * width * _ENLARGED**2 > _MOST_PIXELS:
        raise OcrError(f"a page of {width} x {height} px is too large to be enlarged; leave it out")
    size = (width * _ENLARGED, height * _ENLARGED)
    pixels = np.asarray(cv2.resize(page.pixels, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    matrix = np.array([[_ENLARGED, 0, 0], [0, _ENLARGED, 0]], dtype=np.float64)
    return ChangedPage(pixels, moved(page.entries, matrix))


def giant(pages: Sequence[ChangedPage], draw: Draw) -> ChangedPage:
    """Fill a picture of 12,000 x 9,000 px with copies of a page, enlarged where that fits."""
    page = pages[0]
    width, height = _GIANT
    own_height, own_width = page.pixels.shape[:2]
    if own_height > height or own_width > width:
        raise OcrError(
            f"a page of {own_width} x {own_height} px does not fit into {width} x {height} px; "
            "leave it out"
        )
    if _ENLARGED * own_height <= height and _ENLARGED * own_width <= width:
        page = enlarged(pages, draw)
        own_height, own_width = page.pixels.shape[:2]
    pixels = np.empty((height, width, 3), dtype=np.uint8)
    pixels[:] = _paper(page.pixels)
    entries = []
    for y in range(0, height - own_height + 1, own_height):
        for x in range(0, width - own_width + 1, own_width):
            pixels[y : y + own_height, x : x + own_width] = page.pixels
            entries += moved(page.entries, np.array([[1.0, 0.0, x], [0.0, 1.0, y]]))
    return ChangedPage(pixels, entries)


CHANGES: dict[str, Change] = {
    "plain": plain,
    "turned_90": turned(1),
    "turned_180": turned(2),
    "turned_270": turned(3),
    "skewed": skewed,
    "side_by_side": side_by_side,
    "enlarged": enlarged,
    "giant": giant,
}


def moved(entries: Sequence[dict[str, Any]], matrix: Matrix) -> list[dict[str, Any]]:
    """Return a label whose corners went the way of its picture.

    Args:
        entries: `transcription` and `points` of each text.
        matrix: affine, [2, 3].
    """
    return [
        {**entry, "points": _rounded(np.array(entry["points"]) @ matrix[:, :2].T + matrix[:, 2])}
        for entry in entries
    ]


def _rounded(points: NDArray[np.float64]) -> list[list[float]]:
    rounded: list[list[float]] = np.round(points, 2).tolist()
    return rounded


def _paper(pixels: Image) -> tuple[float, ...]:
    """Return the usual colour along the edges of a page."""
    edges = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return tuple(float(level) for level in np.median(edges, axis=0))


def write_changed(pages: Sequence[LabelledPage], name: str, folder: Path, seed: int) -> Path:
    """Write the pictures and the label file of a change; return the label file.

    Args:
        pages: as they are labelled.
        name: of the change.
        folder: for the label file, and the folder of the pictures.
        seed: of what is drawn.

    Raises:
        ArtifactError: if the disk refuses.
        ImageError: if a picture cannot be read.
    """
    rows = []
    for number, page in enumerate(pages):
        following = pages[(number + 1) % len(pages)]
        needed = (page, following) if name == "side_by_side" else (page,)
        draw = np.random.default_rng([seed, number])
        changed = CHANGES[name]([_read(each) for each in needed], draw)
        picture = folder / name / f"{number:04d}_{Path(page.path).stem}.jpg"
        is_written, data = cv2.imencode(
            ".jpg", changed.pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
        )
        if not is_written:
            height, width = changed.pixels.shape[:2]
            raise ArtifactError(f"{picture}: no JPEG holds {width} x {height} px; leave it out")
        _write(picture, data.tobytes())
        label = json.dumps(changed.entries, ensure_ascii=False)
        rows.append(f"{picture.relative_to(folder).as_posix()}\t{label}\n")
    labels = folder / f"{name}.txt"
    _write(labels, "".join(rows).encode("utf-8"))
    return labels


def _read(page: LabelledPage) -> ChangedPage:
    entries = [
        {"transcription": text, "points": points.tolist()}
        for text, points in zip(page.texts, page.polygons, strict=True)
    ]
    return ChangedPage(read_image(page.path), entries)


def _write(path: Path, data: bytes) -> None:
    try:
        write_atomically(path, data)
    except OSError as error:
        raise ArtifactError(
            f"cannot write {path}: {error.strerror or error}; check the place"
        ) from error


def options_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = command_parser("benchmarks.pages.changed", __doc__)
    add = parser.add_argument
    add("--labels", type=Path, required=True, help="PaddleOCR's label file of upright pages")
    add("--output", type=Path, required=True, metavar="DIR")
    add("--count", type=int, default=20, help="pages; default: %(default)s")
    usual = [name for name in CHANGES if name != "giant"]
    add("--changes", nargs="+", choices=CHANGES, default=usual, help="all but giant by default")
    add("--by-rows", action="store_true", help="only pages whose labels go down row by row")
    add("--seed", type=int, default=1)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    options = options_parser().parse_args(arguments)
    try:
        pages = labelled_pages(options.labels, None if options.by_rows else options.count)
        if options.by_rows:
            pages = [page for page in pages if page.goes_down][: options.count]
        if not pages:
            raise OcrError(f"{options.labels}: no page's label goes down row by row")
        for name in options.changes:
            print(write_changed(pages, name, options.output, options.seed))
    except OcrError as error:
        print(f"benchmarks.pages.changed: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
