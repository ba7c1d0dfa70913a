"""Rendered text lines and pages: training sets that need no download."""

from training.data.synthetic.dataset import DEFAULT_ALPHABET, SyntheticDataSet
from training.data.synthetic.fonts import FontBook, build_font_book
from training.data.synthetic.pages import SyntheticPages
from training.data.synthetic.render import render_line

__all__ = [
    "DEFAULT_ALPHABET",
    "FontBook",
    "SyntheticDataSet",
    "SyntheticPages",
    "build_font_book",
    "render_line",
]
