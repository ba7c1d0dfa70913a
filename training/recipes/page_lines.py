"""Cuts the labelled lines of pages into a pack of lines.

    python -m training.recipes.page_lines PAGES/train.txt --val PAGES/val.txt --output PACK \
        --without LINES/val.tsv --val-without LINES/train.tsv [--found-by DETECTOR RECOGNIZER]

Lines are cut as the page reader cuts them, straight and from the page's own pixels; by their
labels, or with `--found-by` where a page reader finds them, with the text of the label there. Left
out are lines that are ignored, stand upright or hold other characters than the dictionary's; pages
that a line pack validates on, and lines with a text of its.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from runtime.detection.boxes import smallest_quads
from runtime.errors import DatasetError, ImageError
from runtime.files import write_atomically
from runtime.images.read import read_image
from runtime.pages.crops import Image, cut_out, extent
from runtime.pages.reader import PageReader
from runtime.recognition.charset import build_charset
from runtime.recognition.labels import labelled_images
from runtime.recognition.scores import are_capitals
from runtime.recognition.spec import RecognizerSpec
from runtime.signals import exit_status
from runtime.standard_streams import open_standard_streams
from training.detection.labels import NoTextError, TextPolygons, read_polygons
from training.recipes.found_lines import found_lines

HEIGHT_PX = 56
"""Of the lines: a little more than a recogniser's input, for what distorts them."""
MAX_WIDTH_PX = 3200
JPEG_QUALITY = 90
FEWEST_TELLING = 10
"""Characters from which on a text is hardly there twice by chance."""
MOST_VALIDATED = 0.25
"""Share of a page's telling texts that may be a pack's validation texts; the page goes beyond."""


def corners_of(polygon: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the corners of the smallest rectangle around a nearly level polygon.

    Returns:
        Upper left, upper right, lower right, lower left: float64 [4, 2].
    """
    (corners,), _ = smallest_quads([polygon.astype(np.float32)])
    return corners.astype(np.float64)


def labelled_lines(polygons: TextPolygons) -> Iterator[tuple[NDArray[np.float64], str]]:
    """List the lines of a page's labels; those ignored or upright are left out.

    Yields:
        Corners, px, float64 [4, 2], and the text.
    """
    for polygon, text, is_ignored in zip(
        polygons.polys, polygons.texts, polygons.ignored, strict=True
    ):
        corners = corners_of(polygon)
        width, height = extent(corners)
        # A single letter may be higher than wide; a line that is, stands upright.
        if not is_ignored and (height <= width or len(text) <= 2):
            yield corners, text


def cut_lines(
    page: Image, lines: Iterable[tuple[NDArray[np.float64], str]], spec: RecognizerSpec
) -> Iterator[tuple[Image, str]]:
    """Cut lines out of a page; those that would be squeezed are left out.

    Args:
        page: BGR uint8 [h, w, 3].
        lines: corners, px, float64 [4, 2], and the text of each.
        spec: height and greatest width of the lines.

    Yields:
        A line, BGR uint8 [spec.height, w, 3], and its text.
    """
    for corners, text in lines:
        crop = cut_out(page, corners, spec)
        if not crop.is_squeezed:
            yield crop.pixels, text


def wanted_texts(label: str, name: str, avoided: frozenset[str]) -> TextPolygons | None:
    """Read a page's label and mark the texts that are not to be cut as ignored.

    Args:
        label: JSON list of `points` and `transcription`.
        name: of the page, for messages.
        avoided: texts that a line pack validates on.

    Returns:
        The texts, single spaces between words, or None for a page to leave out.

    Raises:
        DatasetError: if the label is none.
    """
    try:
        polygons = read_polygons(label, name)
    except NoTextError:
        return None
    texts = tuple(" ".join(text.split()) for text in polygons.texts)
    telling = {text for text in texts if len(text) >= FEWEST_TELLING}
    if len(telling & avoided) > MOST_VALIDATED * len(telling):
        return None
    is_avoided = [not text or text in telling & avoided for text in texts]
    return replace(polygons, texts=texts, ignored=polygons.ignored | np.array(is_avoided))


def cut_pack(
    label_file: Path,
    output: Path,
    name: str,
    spec: RecognizerSpec,
    avoided: frozenset[str],
    reader: PageReader | None,
) -> int:
    """Cut the lines of every page of a label file into `output/images` and `output/<name>.tsv`.

    Args:
        label_file: of pages.
        output: folder of the pack.
        name: of its label file.
        spec: height, greatest width and characters of the lines.
        avoided: texts that are not to be cut.
        reader: finds the lines; None cuts them by their labels.

    Returns:
        The number of lines.

    Raises:
        DatasetError: if a page or its label cannot be read.
    """
    images = output / "images"
    images.mkdir(parents=True, exist_ok=True)
    entries: list[str] = []
    characters = frozenset(spec.characters)
    pages = [
        (path, wanted_texts(label, path.name, avoided))
        for path, label in labelled_images(label_file)
    ]
    is_without_case = are_capitals(
        text for _, polygons in pages if polygons for text in polygons.texts
    )
    for path, polygons in tqdm(pages, desc="pages", disable=None):
        if polygons is None:
            continue
        try:
            page = read_image(path)
        except ImageError as error:
            raise DatasetError(f"{error}; remove the page from {label_file}") from error
        lines = (
            found_lines(page, polygons, reader, is_without_case)
            if reader
            else labelled_lines(polygons)
        )
        known = (line for line in lines if characters.issuperset(line[1]))
        for number, (pixels, text) in enumerate(cut_lines(page, known, spec)):
            file = f"{path.stem}_{number:03d}.jpg"
            _, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
            # Not flushed one by one: what makes a pack complete is its label file.
            (images / file).write_bytes(encoded.tobytes())
            entries.append(f"images/{file}\t{text}\n")
    write_atomically(output / f"{name}.tsv", "".join(entries).encode())
    return len(entries)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    open_standard_streams()
    parser = argparse.ArgumentParser(
        prog="python -m training.recipes.page_lines", description=(__doc__ or "").split("\n")[0]
    )
    add = parser.add_argument
    add("pages", type=Path, help="label file of pages to train on")
    add("--val", type=Path, required=True, help="label file of pages to validate on")
    add("--output", type=Path, required=True, help="folder for the pack")
    add("--dictionary", default="configs/latin_dict.txt", help="(default %(default)s)")
    add("--without", nargs="*", default=[], type=Path, metavar="TSV", help="texts to avoid")
    add("--val-without", nargs="*", default=[], type=Path, metavar="TSV", help="in validation")
    add("--found-by", nargs=2, type=Path, metavar="ONNX", help="cut what these two models find")
    options = parser.parse_args(arguments)
    return exit_status("page_lines", lambda: _cut(options))


def _cut(options: argparse.Namespace) -> int:
    charset = build_charset(options.dictionary, use_space_char=True)
    spec = RecognizerSpec(charset.characters, height=HEIGHT_PX)
    spec = replace(spec, width=replace(spec.width, max_px=MAX_WIDTH_PX))
    models = options.found_by
    with PageReader(*models) if models else nullcontext() as reader:
        for name, file, packs in (
            ("train", options.pages, options.without),
            ("val", options.val, options.val_without),
        ):
            avoided = frozenset(
                " ".join(text.split()) for pack in packs for _, text in labelled_images(pack)
            )
            count = cut_pack(file, options.output, name, spec, avoided, reader)
            print(f"{options.output / name}.tsv: {count} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
