"""One page, from its numbers to its image and its boxes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.synthetic.degrade import BgrImage, degrade
from training.data.synthetic.pages.camera import choose_view, lit, on_surface, seen_boxes
from training.data.synthetic.pages.faces import Nature, Typefaces
from training.data.synthetic.pages.kinds import Kind
from training.data.synthetic.pages.marks import add_distractors
from training.data.synthetic.pages.pen import Mask
from training.data.synthetic.pages.sheet import Sheet, TextBox
from training.data.synthetic.pages.surface import choose_colors, printed
from training.data.synthetic.pages.typesetter import Typesetter
from training.data.synthetic.pages.wording import Wording

IGNORED_TEXT = "###"
"""PaddleOCR's transcription of a text that nothing is to be learnt from."""

LEAST_EM_PX = 6
LEAST_TEXT_PX = 6.0
"""Lower texts are not readable."""

LEAST_CONTRAST = 22.0
"""Fainter texts are not readable, in levels of grey."""

GREY_SHARE = 0.5
"""Most scans are grey; one channel also takes a third of the time."""

WEAKEST_INK = 8
LEAST_DEVIATIONS = 1.2
"""Text of which a threshold left specks differs by fewer standard deviations from its paper."""

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
    is_photo = bool(rng.random() < 2 * difficulty * kind.photo)
    view = choose_view(sheet.width, sheet.height, rng, difficulty, is_photo)
    boxes = seen_boxes(view, sheet.boxes, LEAST_TEXT_PX)
    picture = on_surface(view, picture, rng, difficulty, is_photo)
    if difficulty:
        picture = lit(picture, rng, difficulty, is_photo)
    image = degrade(picture, rng, difficulty, _line_px(boxes, setter.em))
    ink = sheet.text if view.is_plain else view.image(sheet.text, cv2.BORDER_CONSTANT)
    return Page(image, tuple(_told_by_contrast(boxes, image, ink)), name)


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
    nature: Nature = "even" if rng.random() < kind.even else "any"
    wording = Wording(rng, script)
    setter = Typesetter(sheet, em, rng, faces, wording, difficulty, nature)
    kind.set(setter)
    if kind.is_trimmed and rng.random() < 0.75 and sheet.boxes:
        last = max(float(box.bottom[:, 1].max()) for box in sheet.boxes)
        sheet.trim(round(last + setter.em * rng.uniform(1, 5)))
    return setter


def _told_by_contrast(boxes: list[TextBox], image: BgrImage, ink: Mask) -> list[TextBox]:
    """Tell which boxes hold text that stands out from the paper, all along."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    told = []
    for box in boxes:
        left, top = np.floor(box.polygon.min(axis=0)).astype(int).tolist()
        right, bottom = np.ceil(box.polygon.max(axis=0)).astype(int).tolist()
        edges = np.linspace(left, right, 4 if right - left > 3 * (bottom - top) else 2).astype(int)
        contrasts = [
            _contrast(grey[top:bottom, start:end], ink[top:bottom, start:end])
            for start, end in pairwise(edges.tolist())
        ]
        is_clear = min(contrasts) >= 0.6 * LEAST_CONTRAST and max(contrasts) >= LEAST_CONTRAST
        told.append(box if is_clear else replace(box, is_readable=False))
    return told


def _contrast(levels: NDArray[Any], ink: Mask) -> float:
    """Return how much text and paper differ, levels of grey; 0 where little of the text is left."""
    strong = (ink > 0.6 * float(ink.max(initial=0))).astype(np.uint8)
    weak = (ink < WEAKEST_INK).astype(np.uint8)
    if not cv2.countNonZero(strong) or not cv2.countNonZero(weak):
        return 255.0
    contrast = abs(cv2.mean(levels, strong)[0] - cv2.mean(levels, weak)[0])
    return contrast if contrast >= LEAST_DEVIATIONS * float(levels.std()) else 0.0


def _line_px(boxes: list[TextBox], em: float) -> float:
    """Return the height that decides how much detail may be lost: of the smaller texts."""
    heights = [
        float(np.linalg.norm(box.bottom[0] - box.top[0])) for box in boxes if box.is_readable
    ]
    return float(np.quantile(heights, 0.2)) * 1.15 if heights else em
