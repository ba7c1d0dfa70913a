"""Draws a page with what was found on it, and beside it what was read, for people to look through.

On the left each line has its outline and its number in the order of reading; on the right its text
stands where the line is. Unsure lines have another colour.
"""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.infer.fonts import font_for
from runtime.infer.table import printable
from runtime.pages.result import PageLine, PageText, Points

_MOST_SIDE_PX, _LEAST_WIDTH_PX = 2400, 480
_SURE, _UNSURE, _COLUMN, _INK = (60, 140, 0), (0, 90, 230), (200, 160, 60), (30, 30, 30)
_PAPER, _SHARE_OF_FILL = 255, 0.18
_NUMBER_PX, _LEAST_NUMBER_PX = 18.0, 8.0
_NUMBER_SHARE = 0.5
"""Of a line's height."""

_TEXT_MARGIN_PX = 4
_MOST_TEXT = 400

Canvas = NDArray[np.uint8]


def drawing(image: Canvas, page: PageText) -> Canvas:
    """Draw a page and its text side by side; for one that could not be read, the reason on white.

    Args:
        image: BGR uint8 [h, w, 3].
        page: its text.

    Returns:
        BGR uint8 [h, w, 3]; a large page is scaled down.
    """
    if page.error is not None:
        return _reason(f"error: {printable(page.error)}")
    height, width = image.shape[:2]
    scale = min(1.0, _MOST_SIDE_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = image
    if scale < 1:
        picture = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    picture, texts = picture.copy(), np.full((size[1], size[0], 3), _PAPER, dtype=np.uint8)
    for column in page.columns:
        _outline(picture, column.points, scale, _COLUMN, 1)
    _fill(picture, page, scale)
    for number, line in enumerate(page.lines, 1):
        colour = _UNSURE if line.is_unsure else _SURE
        _outline(picture, line.points, scale, colour, 2)
        _outline(texts, line.points, scale, (225, 225, 225), 1)
        _set_text(texts, line, scale)
        _number(picture, number, line, scale, colour)
    rule = np.full((size[1], 3, 3), 160, dtype=np.uint8)
    return np.hstack([picture, rule, texts])


def _fill(picture: Canvas, page: PageText, scale: float) -> None:
    """Tint the lines."""
    tinted = picture.copy()
    for line in page.lines:
        if len(line.points) >= 3:
            cv2.fillPoly(
                tinted, [_corners(line.points, scale)], _UNSURE if line.is_unsure else _SURE
            )
    picture[:] = cv2.addWeighted(tinted, _SHARE_OF_FILL, picture, 1 - _SHARE_OF_FILL, 0)


def _outline(
    canvas: Canvas, points: Points, scale: float, colour: tuple[int, int, int], width: int
) -> None:
    if len(points) >= 2:
        cv2.polylines(canvas, [_corners(points, scale)], True, colour, width, cv2.LINE_AA)


def _corners(points: Points, scale: float) -> NDArray[np.int32]:
    return np.round(np.array(points, dtype=np.float64) * scale).astype(np.int32)


def _number(
    picture: Canvas, number: int, line: PageLine, scale: float, colour: tuple[int, int, int]
) -> None:
    """Write the number of a line in front of where its text begins."""
    if not line.points:
        return
    height = min(_NUMBER_PX, max(_LEAST_NUMBER_PX, _height(line.points) * scale * _NUMBER_SHARE))
    font, text = height / 30, str(number)
    (wide, high), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, font, 1)
    x, y = (round(value * scale) for value in line.points[0])
    x, y = max(0, x - wide - 3), max(high + 2, y + high // 2 + 1)
    cv2.rectangle(picture, (x - 2, y - high - 2), (x + wide + 1, y + 2), colour, -1)
    white = (255, 255, 255)
    cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, font, white, 1, cv2.LINE_AA)


def _set_text(texts: Canvas, line: PageLine, scale: float) -> None:
    """Set the text of a line where the line is, turned as it is."""
    if len(line.points) < 4 or not line.text:
        return
    points = line.points if len(line.points) == 4 else _rectangle(line.points)
    target = np.array(points, dtype=np.float32) * scale
    ink = _written(printable(line.text[:_MOST_TEXT]))
    height, width = ink.shape
    # As wide as the line, or less where the text would be stretched.
    long = math.dist(points[0], points[1]) * scale
    high = max(_height(points) * scale, 1.0)
    share = min(1.0, width * high / height / max(long, 1.0))
    target[1] = target[0] + (target[1] - target[0]) * share
    target[2] = target[3] + (target[2] - target[3]) * share
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    left, top = np.maximum(np.floor(target.min(axis=0)).astype(int) - 1, 0)
    right, bottom = np.ceil(target.max(axis=0)).astype(int) + 2
    part = texts[top:bottom, left:right]
    if not part.size:
        return
    matrix = cv2.getPerspectiveTransform(source, target - np.array([left, top], np.float32))
    smaller = max(1, round(height / high / 1.5))
    if smaller > 1:  # averaged first, as small text would lose its strokes
        ink = cv2.blur(ink, (smaller, smaller)).astype(np.uint8)
    shown = cv2.warpPerspective(ink, matrix, (part.shape[1], part.shape[0]), flags=cv2.INTER_LINEAR)
    cover = shown[:, :, None].astype(np.float32) / 255
    colour = np.array(_UNSURE if line.is_unsure else _INK, dtype=np.float32)
    part[:] = np.round(part * (1 - cover) + colour * cover).astype(np.uint8)


@lru_cache(maxsize=256)
def _written(text: str) -> Canvas:
    """Return a text as ink on nothing, uint8 [h, w], 255 where there is ink."""
    from PIL import Image, ImageDraw

    font = font_for(text)
    left, _, right, bottom = font.getbbox(text)
    ascent, descent = font.getmetrics()
    size = (
        max(1, math.ceil(right - min(left, 0)) + 2 * _TEXT_MARGIN_PX),
        max(1, ascent + descent, math.ceil(bottom)),
    )
    canvas = Image.new("L", size, 0)
    ImageDraw.Draw(canvas).text((_TEXT_MARGIN_PX - min(left, 0), 0), text, fill=255, font=font)
    return np.asarray(canvas)


def _height(points: Points) -> float:
    """Return how high a line with these corners is, in px."""
    if len(points) != 4:
        points = _rectangle(points)
    return (math.dist(points[0], points[3]) + math.dist(points[1], points[2])) / 2


def _rectangle(points: Points) -> Points:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    left, top, right, bottom = min(xs), min(ys), max(xs), max(ys)
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def _reason(text: str) -> Canvas:
    """Write a reason on white."""
    ink = _written(text[:_MOST_TEXT])
    height, width = ink.shape
    canvas = np.full((height + 16, max(width + 16, _LEAST_WIDTH_PX), 3), _PAPER, dtype=np.uint8)
    canvas[8 : 8 + height, 8 : 8 + width] -= (ink[:, :, None] // 255 * 225).astype(np.uint8)
    return canvas
