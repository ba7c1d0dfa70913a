"""A page whose text and places are known, with all that makes a format stumble."""

from __future__ import annotations

import math

import numpy as np

from runtime.pages.result import PageColumn, PageLine, PageText, PageWord, Points

WIDTH, HEIGHT = 1200, 1000
CHARACTER_PX, GAP_PX = 20, 15


def quad(x: float, y: float, width: float, height: float, degrees: float = 0.0) -> Points:
    """Corners of a rectangle turned clockwise about its upper left corner."""
    angle = math.radians(degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    corners = ((0.0, 0.0), (width, 0.0), (width, height), (0.0, height))
    return tuple((x + u * cosine - v * sine, y + u * sine + v * cosine) for u, v in corners)


def line(
    words: str,
    x: float,
    y: float,
    degrees: float = 0.0,
    confidence: float = 0.9,
    from_the_right: bool = False,
    **more: object,
) -> PageLine:
    """A line of words, 20 px a character and 40 px high."""
    texts = words.split(" ")
    widths = [len(text) * CHARACTER_PX for text in texts]
    whole = sum(widths) + GAP_PX * (len(texts) - 1)
    angle, begin, placed = math.radians(degrees), 0.0, []
    for text, width in zip(texts, widths, strict=True):
        along = whole - begin - width if from_the_right else begin
        at = (x + along * math.cos(angle), y + along * math.sin(angle))
        placed.append(PageWord(text, confidence, quad(*at, width, 40, degrees)))
        begin += width + GAP_PX
    return PageLine(
        words,
        confidence,
        quad(x, y, whole, 40, degrees),
        0.8,
        tuple(placed),
        **more,  # type: ignore[arg-type]
    )


LINES = (
    line("Hello wide World", 100, 60),
    line("leans by 12°", 100, 150, 12, row=1),
    line("upside down", 800, 300, 180, row=2, is_turned=True),
    line("hangs down", 900, 350, 90, row=3),
    line("<b>\"&' ]]>", 100, 400, row=4),
    line("日本語 \U0001d4b3\U0001d4b4 naïve", 100, 500, row=5),
    line("שלום עולם", 100, 600, from_the_right=True, row=6),
    line("low score", 100, 700, confidence=0.2, is_unsure=True, row=0, column=1),
    PageLine("", 0.0, quad(500, 700, 90, 40), 0.6, row=1, column=1),
)
PAGE = PageText(
    lines=LINES,
    columns=(
        PageColumn(quad(80, 50, 900, 600), tuple(range(7))),
        PageColumn(quad(80, 690, 900, 60), (7, 8)),
    ),
    source='scans/a "b" & c.png',
    width_px=WIDTH,
    height_px=HEIGHT,
    angle=-1.5,
    px_per_inch=144.0,
)
FAILED = PageText(source="scans/bad.png", error="not an image -- at all <&>")


def picture() -> np.ndarray:
    """The page's picture: grey, with a dark bar for each word."""
    pixels = np.full((HEIGHT, WIDTH, 3), 240, np.uint8)
    for found in PAGE.lines:
        for word in found.words:
            xs, ys = [x for x, _ in word.points], [y for _, y in word.points]
            pixels[int(min(ys)) : int(max(ys)), int(min(xs)) : int(max(xs))] = 90
    return pixels
