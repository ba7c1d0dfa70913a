"""One synthetic line, from its text to its picture."""

from __future__ import annotations

import numpy as np

from training.data.synthetic.degrade import BgrImage, degrade
from training.data.synthetic.fonts import FontBook
from training.data.synthetic.layout import Layout, choose_layout, draw_ink
from training.data.synthetic.scene import paint


def render_line(
    text: str, rng: np.random.Generator, fonts: FontBook, difficulty: float
) -> BgrImage:
    """Draw one line of text as a detector would have cut it out.

    Args:
        text: what stands in the picture, exactly.
        rng: the only source of chance; the same state gives the same picture.
        fonts: faces to choose from; only those that have every character are used.
        difficulty: 0 black on white, level, undisturbed .. 1 hard to read.

    Returns:
        BGR uint8 [h, w, 3], h 18 .. 64 px.

    Raises:
        DatasetError: if no face draws all of the text.
    """
    return render_layout(text, choose_layout(text, rng, fonts, difficulty), rng, difficulty)


def render_layout(
    text: str, layout: Layout, rng: np.random.Generator, difficulty: float
) -> BgrImage:
    """Draw one line of text as `render_line`, with a layout that is chosen already."""
    mask = draw_ink(text, layout, rng, difficulty)
    return degrade(paint(mask, rng, difficulty), rng, difficulty)
