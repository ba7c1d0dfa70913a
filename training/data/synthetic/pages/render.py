"""One page, from its numbers to its image and its boxes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.synthetic.degrade import BgrImage, degrade
from training.data.synthetic.pages.camera import choose_view, lit, on_surface, seen_boxes
from training.data.synthetic.pages.faces import Typefaces
from training.data.synthetic.pages.kinds import Kind
from training.data.synthetic.pages.marks import add_distractors
from training.data.synthetic.pages.sheet import Sheet, TextBox
from training.data.synthetic.pages.surface import choose_colors, printed
from training.data.synthetic.pages.typesetter import Typesetter
from training.data.synthetic.pages.wording import Wording
from training.data.synthetic.scene import Picture

IGNORED_TEXT = "###"
"""PaddleOCR's transcription of a text that nothing is to be learnt from."""

LEAST_EM_PX = 8
LEAST_TEXT_PX = 6.0
"""Lower texts are not readable."""

LEAST_CONTRAST = 22.0
"""Fainter texts are not readable, in levels of grey."""

GREY_SHARE = 0.5
"""Most scans are grey; one channel also takes a third of the time."""

OTHER_SCRIPTS_SHARE = 0.14
SHORTEST_SIDE_SHARE = 0.62


@dataclass(frozen=True)
class Page:
    """A rendered page.

    Args:
        image: BGR uint8 [h, w, 3].
        boxes: of its texts, within the image.
        kind: of page.
    """

    image: BgrImage
    boxes: tuple[TextBox, ...]
    kind: str

    @property
    def label(self) -> str:
        """PaddleOCR's label of a page: a JSON list of transcriptions and points."""
        entries = [
            {
                "transcription": box.text if box.is_readable else IGNORED_TEXT,
                "points": _whole(box, self.image.shape[1], self.image.shape[0]),
            }
            for box in self.boxes
        ]
        return json.dumps(entries, ensure_ascii=False, separators=(",", ":"))


def _whole(box: TextBox, width: int, height: int) -> list[list[float]]:
    """Round the corners of a box to tenths of a pixel within the image."""
    rounded = np.clip(np.round(box.polygon, 1), 0, (width - 1, height - 1))
    points: list[list[float]] = rounded.tolist()
    return points


def render_page(
    rng: np.random.Generator,
    faces: Typefaces,
    kinds: Mapping[str, Kind],
    long_side: int,
    difficulty: float,
) -> Page:
    """Draw one page.

    Args:
        rng: the only source of chance; the same state gives the same page.
        faces: fonts.
        kinds: to choose among, by their weights.
        long_side: of the sheet, px, at most.
        difficulty: 0 black on white, level, undisturbed .. 1 hard to read.
    """
    shares = np.cumsum([kind.weight for kind in kinds.values()])
    name = list(kinds)[int(np.searchsorted(shares, rng.random() * shares[-1], side="right"))]
    kind = kinds[name]
    setter = set_sheet(rng, faces, kind, long_side, difficulty)
    sheet = setter.sheet
    if difficulty:
        add_distractors(setter)
    is_grey = bool(difficulty and rng.random() < GREY_SHARE)
    picture = printed(sheet, rng, difficulty, setter.em, is_grey)
    sheet.boxes = _told_by_contrast(sheet, picture)
    is_photo = bool(rng.random() < 2 * difficulty * kind.photo)
    view = choose_view(sheet.width, sheet.height, rng, difficulty, is_photo)
    boxes = seen_boxes(view, sheet.boxes, LEAST_TEXT_PX)
    picture = on_surface(view, picture, rng, difficulty, is_photo)
    if difficulty:
        picture = lit(picture, rng, difficulty, is_photo)
    image = degrade(picture, rng, difficulty, _line_px(boxes, setter.em))
    return Page(image, tuple(boxes), name)


def set_sheet(
    rng: np.random.Generator, faces: Typefaces, kind: Kind, long_side: int, difficulty: float
) -> Typesetter:
    """Set a sheet of a kind; return its typesetter, which holds it."""
    script = "latin"
    if len(faces.scripts) > 1 and rng.random() < OTHER_SCRIPTS_SHARE:
        script = faces.scripts[int(rng.integers(1, len(faces.scripts)))]
    longest = long_side * rng.uniform(SHORTEST_SIDE_SHARE, 1.0)
    ratio = rng.uniform(*kind.ratio)
    width, height = longest / max(1.0, ratio), longest * min(1.0, ratio)
    em = max(LEAST_EM_PX, longest * rng.uniform(*kind.em) / 1000)
    paper, ink = choose_colors(rng, difficulty, kind.photo >= 0.5)
    sheet = Sheet(round(width), round(height), paper, ink)
    nature = "even" if rng.random() < kind.even else "any"
    wording = Wording(rng, script)
    setter = Typesetter(sheet, em, rng, faces, wording, difficulty, nature)  # type: ignore[arg-type]
    kind.set(setter)
    if kind.is_trimmed and rng.random() < 0.75 and sheet.boxes:
        last = max(float(box.bottom[:, 1].max()) for box in sheet.boxes)
        sheet.trim(round(last + setter.em * rng.uniform(1, 5)))
    return setter


def _told_by_contrast(sheet: Sheet, picture: Picture) -> list[TextBox]:
    """Tell which boxes hold text that stands out from the paper."""
    grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    told = []
    for box in sheet.boxes:
        corners = box.polygon
        left, top = np.maximum(0, np.floor(corners.min(axis=0))).astype(int).tolist()
        right, bottom = np.ceil(corners.max(axis=0)).astype(int).tolist()
        text = sheet.text[top:bottom, left:right]
        levels: NDArray[np.float32] = grey[top:bottom, left:right]
        ink, paper = (cv2.threshold(text, level, 255, method)[1] for level, method in (
            (120, cv2.THRESH_BINARY), (8, cv2.THRESH_BINARY_INV)))  # fmt: skip
        if cv2.countNonZero(ink) < 3:
            ink = cv2.threshold(text, 40, 255, cv2.THRESH_BINARY)[1]
        contrast = abs(cv2.mean(levels, ink)[0] - cv2.mean(levels, paper)[0])
        told.append(box if contrast >= LEAST_CONTRAST else replace(box, is_readable=False))
    return told


def _line_px(boxes: list[TextBox], em: float) -> float:
    """Return the height that decides how much detail may be lost: of the smaller texts."""
    heights = [
        float(np.linalg.norm(box.bottom[0] - box.top[0])) for box in boxes if box.is_readable
    ]
    return float(np.quantile(heights, 0.2)) * 1.15 if heights else em
