"""Pages become lines: pictures are found, lines cut out straight, label files written whole."""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from runtime.detection.boxes import smallest_quads
from runtime.errors import DatasetError, OcrError
from runtime.files import write_atomically
from runtime.images.read import read_image
from runtime.pages.crops import cut_out, extent
from runtime.recognition.spec import RecognizerSpec
from training.data.importing.page import IGNORED, ImportedPage, LabelledText

HEIGHT_PX, MAX_WIDTH_PX = 64, 4000
JPEG_QUALITY = 95
_PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".jp2", ".gif")
_SHOWN = 5


@dataclass
class Outcome:
    """What became of pages.

    Args:
        num_pages, num_lines: that were written.
        left_out: reason -> lines or pages.
        failed: pages without a picture that can be read, with the reason.
    """

    num_pages: int = 0
    num_lines: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def leave_out(self, reason: str) -> None:
        """Count a line."""
        self.left_out[reason] = self.left_out.get(reason, 0) + 1

    def lines(self) -> list[str]:
        """Return the report as text."""
        text = [f"{self.num_pages} pages, {self.num_lines} lines"]
        text += [f"  left out: {count} {reason}" for reason, count in self.left_out.items()]
        text += [f"  left out: {reason}" for reason in self.failed[:_SHOWN]]
        more = len(self.failed) - _SHOWN
        return [*text, f"  and {more} more pages"] if more > 0 else text


class Pictures:
    """The pictures of pages, found by name, with or without their suffix.

    Args:
        folder: that is searched with the folders in it; names that are paths count from it.

    Raises:
        DatasetError: if it is no folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise DatasetError(f"no folder {folder}: expected the pictures' folder, see --images")
        self._folder = folder
        self._by_stem: dict[str, list[Path]] = {}
        for place, _, names in os.walk(folder):
            for name in sorted(names):
                if name.lower().endswith(_PICTURES):
                    self._by_stem.setdefault(Path(name).stem, []).append(Path(place) / name)

    def path(self, name: str) -> Path:
        """Return the picture of a name.

        Raises:
            DatasetError: if there is none, or several are alike.
        """
        written = name.replace("\\", "/")
        direct = self._folder / written
        try:
            is_inside = direct.resolve().is_relative_to(self._folder.resolve())
            if is_inside and direct.is_file():
                return direct
        except (OSError, ValueError):
            pass
        base = written.rpartition("/")[2]
        for stem in (Path(base).stem, base):
            found = self._by_stem.get(stem, [])
            exact = [path for path in found if path.name == base] or found
            if len(exact) == 1:
                return exact[0]
            if exact:
                raise DatasetError(f"{name}: several pictures have this name, e.g. {exact[0]}")
        raise DatasetError(f"{name}: no such picture in {self._folder}")


def write_lines(pages: Iterable[ImportedPage], pictures: Pictures, output: Path) -> Outcome:
    """Cut the lines of pages into `output/images`, and write `output/labels.txt`.

    Args:
        pages: with their lines.
        pictures: of the pages.
        output: folder.

    Raises:
        DatasetError: if there is not one line.
    """
    outcome, rows = Outcome(), []
    spec = RecognizerSpec(("a",), height=HEIGHT_PX)
    spec = replace(spec, width=replace(spec.width, max_px=MAX_WIDTH_PX))
    (output / "images").mkdir(parents=True, exist_ok=True)
    for number, (page, path, picture) in enumerate(_read(pages, pictures, outcome)):
        for place, text in enumerate(page.texts):
            crop = _cut(picture, text, spec, outcome)
            if crop is None:
                continue
            name = f"images/{number:05}_{path.stem}_{place:04}.jpg"
            _, encoded = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
            # Not flushed one by one: what makes the lines complete is their label file.
            (output / name).write_bytes(encoded.tobytes())
            label = unicodedata.normalize("NFC", text.text)
            rows.append(f"{name}\t{label}\n")
            outcome.num_lines += 1
    _write(output, rows, outcome)
    return outcome


def write_pages(pages: Iterable[ImportedPage], pictures: Pictures, output: Path) -> Outcome:
    """Write `output/labels.txt` with PaddleOCR's labels of pages; pictures stay where they are.

    Raises:
        DatasetError: if there is not one page.
    """
    outcome, rows = Outcome(), []
    for page in pages:
        try:
            path = pictures.path(page.image)
        except DatasetError as error:
            outcome.failed.append(str(error))
            continue
        entries = [
            {"transcription": text.text or IGNORED, "points": [list(p) for p in text.points]}
            for text in page.texts
        ]
        name = os.path.relpath(path, output)
        rows.append(f"{name}\t{json.dumps(entries, ensure_ascii=False)}\n")
        outcome.num_pages += 1
        outcome.num_lines += len(entries)
    output.mkdir(parents=True, exist_ok=True)
    _write(output, rows, outcome)
    return outcome


def _read(
    pages: Iterable[ImportedPage], pictures: Pictures, outcome: Outcome
) -> Iterator[tuple[ImportedPage, Path, NDArray[np.uint8]]]:
    """Yield pages with their pictures; those that cannot be read are counted."""
    # Labels of all pages are known, and right, before the first picture is decoded.
    for page in tqdm(list(pages), "pages", leave=False, delay=2):
        try:
            path = pictures.path(page.image)
            picture = read_image(str(path))
        except OcrError as error:
            outcome.failed.append(" ".join(str(error).split()))
            continue
        outcome.num_pages += 1
        yield page, path, picture


def _cut(
    picture: NDArray[np.uint8], text: LabelledText, spec: RecognizerSpec, outcome: Outcome
) -> NDArray[np.uint8] | None:
    """Cut a line out of a page; None, counted, where there is none to learn from."""
    if text.text == IGNORED or not text.text:
        outcome.leave_out("lines without a text")
        return None
    points = np.array(text.points, np.float32)
    height, width = picture.shape[:2]
    if (points.max(axis=0) <= 0).any() or (points.min(axis=0) >= (width, height)).any():
        outcome.leave_out("lines beside their page")
        return None
    (corners,), _ = smallest_quads([points])  # type: ignore[list-item]  # floats too
    wide, high = extent(corners.astype(np.float64))
    if high > wide and len(text.text) > 2:
        outcome.leave_out("lines that stand upright")
        return None
    crop = cut_out(picture, corners.astype(np.float64), spec)
    if crop.is_squeezed:
        outcome.leave_out(f"lines longer than {MAX_WIDTH_PX} px at {HEIGHT_PX} px of height")
        return None
    return crop.pixels


def _write(output: Path, rows: list[str], outcome: Outcome) -> None:
    if not rows:
        raise DatasetError("\n".join([*outcome.lines(), "nothing to write: see --images, --from"]))
    write_atomically(output / "labels.txt", "".join(rows).encode(errors="surrogateescape"))
