"""How lines look: printed, typed, on signs, on displays; each with its fonts and its wear."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np

from runtime.errors import DatasetError
from training.data.synthetic.degrade import BgrImage, degrade
from training.data.synthetic.fonts import FontBook, needs_shaping
from training.data.synthetic.layout import Layout, choose_layout, draw_ink
from training.data.synthetic.scene import Color, Picture, document_colors, paint
from training.data.synthetic.screens import bleed_through, carbon, few_pixels, halftone
from training.data.synthetic.shapes import bend, dot, draw_typed, hollow, roughen, thicken
from training.data.synthetic.signs import paint_sign

TYPED = re.compile(
    r"typewriter|elite|compagnon|courier|cousine|nimbusmono|lmmono|texgyrecursor|3270|anonymous|"
    r"liberationmono|cmuntt|freemono|ibm-plex-mono|pt-mono|spline-sans-mono|tlwgtyp|dejavusansmono",
    re.IGNORECASE,
)
GLOWING = re.compile(
    r"dseg|doto|vt323|press-start|silkscreen|pixelify|jersey|micro-5|tiny5|share-tech|3270|orbitron|"
    r"iceland|quantico|kode-mono|dejavusansmono|space-mono|oxanium",
    re.IGNORECASE,
)
SMALLEST_SIGN_PX, LARGEST_SIGN_PX = 20, 56


@dataclass(frozen=True)
class Look:
    """A way lines look.

    Args:
        name: in the option `looks`.
        fonts: what the file names of its fonts contain; None for all of them.
    """

    name: str
    fonts: re.Pattern[str] | None = None


LOOKS = {
    look.name: look
    for look in (
        Look("plain"),
        Look("sign"),
        Look("print"),
        Look("typed", TYPED),
        Look("display", GLOWING),
    )
}


class Looks:
    """Looks by share, and the fonts of each.

    Args:
        shares: how often each look comes, by name.
        fonts: of all looks.

    Raises:
        DatasetError: on an unknown look or a share below 0, or if all shares are 0.
    """

    def __init__(self, shares: Mapping[str, float], fonts: FontBook) -> None:
        unknown = sorted(shares.keys() - LOOKS.keys())
        if unknown or not shares or min(shares.values()) < 0 or sum(shares.values()) <= 0:
            raise DatasetError(
                f"impossible looks: expected shares of {', '.join(LOOKS)}, got {dict(shares)}; "
                "change looks"
            )
        self._looks = tuple(LOOKS[name] for name in shares)
        self._weights = np.cumsum(list(shares.values()))
        self._fonts = {
            look.name: fonts if look.fonts is None else fonts.named(look.fonts)
            for look in self._looks
        }
        self._every_font = fonts

    def choose(self, rng: np.random.Generator) -> Look:
        """Draw a look."""
        place = np.searchsorted(self._weights, rng.random() * self._weights[-1], side="right")
        return self._looks[min(int(place), len(self._looks) - 1)]

    def layout(self, look: Look, text: str, rng: np.random.Generator, difficulty: float) -> Layout:
        """Draw the layout of a line; where the look's fonts lack a character, any others serve."""
        fonts = self._fonts[look.name]
        if fonts is None or not fonts.can_draw(text):
            fonts = self._every_font
        layout = choose_layout(text, rng, fonts, difficulty)
        if look.name == "sign":
            return _on_sign(layout, text, rng, difficulty)
        return layout


def render_look(
    look: Look, text: str, layout: Layout, rng: np.random.Generator, difficulty: float
) -> BgrImage:
    """Draw one line of text with a look.

    Args:
        look: one of `LOOKS`.
        text: what stands in the picture, exactly.
        layout: of the text.
        rng: the only source of chance.
        difficulty: 0 black on white whatever the look .. 1 hard to read.

    Returns:
        BGR uint8 [h, w, 3], h 10 .. 64 px.
    """
    if difficulty == 0 or look.name == "plain":
        mask = draw_ink(text, layout, rng, difficulty)
        return degrade(paint(mask, rng, difficulty), rng, difficulty)
    picture = _PAINTERS[look.name](text, layout, rng, difficulty)
    return degrade(picture, rng, difficulty)


def _on_sign(layout: Layout, text: str, rng: np.random.Generator, difficulty: float) -> Layout:
    """Space the letters out, let them lean, turn the line more than a page's."""
    changes: dict[str, float | int] = {
        "height_px": int(rng.integers(SMALLEST_SIGN_PX, LARGEST_SIGN_PX + 1))
    }
    if rng.random() < 0.15 and not any(map(needs_shaping, text)):
        tracking = float(rng.uniform(0.15, 0.8))
        right = layout.box.right + (tracking - layout.tracking_em) * (len(text) - 1)
        layout = replace(layout, box=replace(layout.box, right=right), tracking_em=tracking)
    if rng.random() < 0.25:
        changes["shear"] = float(rng.uniform(-0.35, 0.45) * difficulty)
    if rng.random() < 0.4:
        changes["stretch"] = layout.stretch * float(np.exp(rng.uniform(-0.45, 0.35)))
    if rng.random() < 0.3:
        box = layout.box
        slope = 0.7 * difficulty * (box.bottom - box.top) / (box.right - box.left)
        steepest = min(math.radians(14 * difficulty), math.atan(slope))
        changes["angle"] = float(rng.uniform(-steepest, steepest))
    return replace(layout, **changes)  # type: ignore[arg-type]


def _sign(text: str, layout: Layout, rng: np.random.Generator, difficulty: float) -> Picture:
    mask = draw_ink(text, layout, rng, difficulty)
    if rng.random() < 0.2 * difficulty and mask.shape[1] > 2 * mask.shape[0]:
        mask = bend(mask, float(rng.uniform(-0.8, 0.8)))
    shape = rng.random()
    if shape < 0.08:
        mask = hollow(mask, rng)
    elif shape < 0.2:
        mask = thicken(mask, rng)
    picture = paint_sign(mask, rng, difficulty)
    if rng.random() < 0.6 * difficulty:
        picture = few_pixels(picture, rng, difficulty)
    return picture


def _page_colors(rng: np.random.Generator) -> tuple[Color, Color]:
    """Draw the tints of old paper and of ink, seldom exchanged as on a film's negative."""
    light = rng.uniform(150, 252)
    paper = np.float32(light) + np.array((-1, -0.3, 0), np.float32) * np.float32(rng.uniform(0, 45))
    ink = np.float32(rng.uniform(0, 0.45) * light) + rng.uniform(-10, 10, 3).astype(np.float32)
    return (ink, paper) if rng.random() < 0.03 else (paper, ink)


def _print(text: str, layout: Layout, rng: np.random.Generator, difficulty: float) -> Picture:
    mask = draw_ink(text, layout, rng, difficulty)
    if rng.random() < 0.5:
        mask = roughen(mask, rng)
    picture = paint(mask, rng, difficulty, _page_colors(rng))
    if rng.random() < 0.25 * difficulty:
        picture = bleed_through(picture, rng)
    if rng.random() < 0.25 * difficulty:
        picture = halftone(picture, rng)
    if rng.random() < 0.25 * difficulty:
        picture = few_pixels(picture, rng, 0.4 * difficulty)
    return picture


def _typed(text: str, layout: Layout, rng: np.random.Generator, difficulty: float) -> Picture:
    mask = draw_ink(text, layout, rng, difficulty, partial(draw_typed, rng=rng))
    if rng.random() < 0.5:
        mask = roughen(mask, rng)
    picture = paint(mask, rng, difficulty, _page_colors(rng))
    if rng.random() < 0.5 * (0.5 + difficulty):
        # Ribbons run dry: the whole line pales towards the paper.
        paper = np.float32(np.median(picture))
        picture = paper + (picture - paper) * np.float32(rng.uniform(0.35, 0.9))
    if rng.random() < 0.6 * difficulty:
        picture = carbon(picture, rng)
    if rng.random() < 0.15 * difficulty:
        picture = bleed_through(picture, rng)
    return picture


def _display(text: str, layout: Layout, rng: np.random.Generator, difficulty: float) -> Picture:
    mask = draw_ink(text, layout, rng, difficulty)
    if rng.random() < 0.4 and mask.shape[0] >= 26:
        mask = dot(mask, rng)
    style = rng.random()
    if style < 0.35:
        return paint(mask, rng, difficulty)
    # Light on dark, with a glow around it.
    height = mask.shape[0]
    paper, ink = document_colors(rng)
    dark = np.minimum(paper, ink) * np.float32(0.6)
    is_bright = rng.random(3) < 0.6
    light = np.where(is_bright, np.float32(255), np.float32(150))
    if not is_bright.any():
        light = np.array([40, 60, 255], np.float32)
    coverage = mask.astype(np.float32) / np.float32(255)
    glow = cv2.GaussianBlur(coverage, (0, 0), height * rng.uniform(0.03, 0.15))
    amount = np.clip(coverage + glow * np.float32(rng.uniform(0.1, 0.7)), 0, 1)
    picture = dark + (light - dark) * amount[:, :, np.newaxis]
    if rng.random() < 0.3:
        picture = np.float32(255) - picture
    return picture.astype(np.float32, copy=False)


_PAINTERS = {"sign": _sign, "print": _print, "typed": _typed, "display": _display}
