"""Ink without text, for a detector to pass over: logos, barcodes, stamps, scribbles."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.synthetic.pages.sheet import Sheet
from training.data.synthetic.pages.typesetter import Area, Typesetter
from training.data.synthetic.patterns import pick
from training.data.synthetic.scene import smooth_noise


def add_logo(setter: Typesetter, area: Area) -> None:
    """Draw a sign of plain shapes into an area."""
    sheet = setter.sheet
    middle = (round((area.left + area.right) / 2), round((area.top + area.bottom) / 2))
    radius = max(4, round(min(area.width, area.height) / 2 * setter.between(0.7, 1.0)))
    is_filled = setter.chance(0.5)
    thickness = cv2.FILLED if is_filled else max(1, radius // setter.count(4, 12))
    shape = setter.count(0, 2)
    if shape == 0:
        cv2.circle(sheet.marks, middle, radius, 255, thickness, cv2.LINE_AA)
    elif shape == 1:
        corners = setter.count(3, 7)
        cv2.polylines(
            sheet.marks,
            [_star(middle, radius, corners, setter)],
            True,
            255,
            max(2, abs(thickness)),
            cv2.LINE_AA,
        )
    else:
        half = np.array([radius * setter.between(0.8, 1.6), radius]).astype(int)
        cv2.ellipse(sheet.marks, middle, half.tolist(), 0, 0, 360, 255, thickness, cv2.LINE_AA)
    if is_filled:
        inner = max(2, radius // 2)
        cv2.circle(sheet.marks, middle, inner, 0, max(2, inner // 3), cv2.LINE_AA)
        cv2.line(sheet.marks, (middle[0] - inner, middle[1]), (middle[0] + inner, middle[1]), 0, 3)


def _star(
    middle: tuple[int, int], radius: int, corners: int, setter: Typesetter
) -> NDArray[np.int32]:
    inner = setter.between(0.35, 0.9)
    angles = np.arange(2 * corners) * math.pi / corners
    reach = radius * np.where(np.arange(2 * corners) % 2 == 0, 1.0, inner)
    points = np.stack([np.sin(angles) * reach, -np.cos(angles) * reach], axis=1) + middle
    return np.rint(points).astype(np.int32)


def add_barcode(setter: Typesetter, area: Area) -> None:
    """Draw bars, or the squares of a two-dimensional code, into an area."""
    sheet, rng = setter.sheet, setter.rng
    left, top, right, bottom = area.rounded
    if right - left < 20 or bottom - top < 10 or not _is_free(sheet, left, top, right, bottom):
        return
    if setter.chance(0.25):
        side = min(right - left, bottom - top)
        cells = setter.count(21, 33)
        grid = (rng.random((cells, cells)) < 0.5).astype(np.uint8) * 255
        for row, column in ((0, 0), (0, cells - 7), (cells - 7, 0)):
            grid[row : row + 7, column : column + 7] = 255
            grid[row + 1 : row + 6, column + 1 : column + 6] = 0
            grid[row + 2 : row + 5, column + 2 : column + 5] = 255
        sheet.marks[top : top + side, left : left + side] = cv2.resize(
            grid, (side, side), interpolation=cv2.INTER_NEAREST
        )
        return
    module = max(1, (right - left) // 100)
    widths = rng.integers(1, 5, size=200) * module
    ends = np.cumsum(widths)
    for start, width in zip(ends[::2].tolist(), widths[1::2].tolist(), strict=True):
        if left + start + width > right:
            break
        sheet.marks[top:bottom, left + start : left + start + width] = 255


def add_scribble(setter: Typesetter, area: Area) -> None:
    """Draw strokes of a pen into an area: a signature, a tick, a note that no one can read."""
    rng, sheet = setter.rng, setter.sheet
    thickness = max(1, round(setter.em * setter.between(0.05, 0.14)))
    strokes = setter.count(1, 3)
    for _ in range(strokes):
        count = setter.count(5, 24)
        steps = rng.normal(0, 1, size=(count, 2)) * (area.width / count * 0.9, area.height * 0.35)
        steps[:, 0] += area.width / count
        knots = np.cumsum(steps, axis=0)
        knots[:, 1] = (
            area.top
            + area.height / 2
            + np.clip(knots[:, 1] - knots[:, 1].mean(), -area.height / 2, area.height / 2)
        )
        knots[:, 0] += area.left
        points = _smooth(knots)
        cv2.polylines(sheet.marks, [points], False, setter.count(140, 255), thickness, cv2.LINE_AA)


def _smooth(knots: NDArray[np.float64]) -> NDArray[np.int32]:
    """Round the corners of a line through knots."""
    for _ in range(3):
        first, second = knots[:-1], knots[1:]
        knots = np.stack([0.75 * first + 0.25 * second, 0.25 * first + 0.75 * second], axis=1)
        knots = knots.reshape(-1, 2)
    return np.rint(knots).astype(np.int32)


def add_stamp(setter: Typesetter, area: Area) -> None:
    """Draw the frame of a rubber stamp, with bars and stars, turned by some degrees."""
    sheet = setter.sheet
    middle = ((area.left + area.right) / 2, (area.top + area.bottom) / 2)
    size = (area.width, area.height)
    angle = setter.between(-35, 35)
    strength = setter.count(70, 190)
    thickness = max(1, round(setter.em * setter.between(0.06, 0.18)))
    if setter.chance(0.5):
        for factor in (1.0, setter.between(0.6, 0.9)):
            axes = (round(size[0] / 2 * factor), round(size[1] / 2 * factor))
            cv2.ellipse(
                sheet.marks,
                (round(middle[0]), round(middle[1])),
                axes,
                angle,
                0,
                360,
                strength,
                thickness,
                cv2.LINE_AA,
            )
    else:
        corners = np.rint(cv2.boxPoints((middle, size, angle))).astype(np.int32)
        cv2.polylines(sheet.marks, [corners], True, strength, thickness, cv2.LINE_AA)
    for offset in (-0.18, 0.0, 0.18):
        bar = ((middle[0], middle[1] + offset * size[1]), (0.5 * size[0], 1.0), angle)
        if setter.chance(0.6):
            corners = np.rint(cv2.boxPoints(bar)).astype(np.int32)
            cv2.polylines(sheet.marks, [corners], True, strength, thickness, cv2.LINE_AA)


def add_picture(setter: Typesetter, area: Area) -> None:
    """Fill an area of the paper with a picture without text."""
    left, top, right, bottom = area.rounded
    height, width = bottom - top, right - left
    if height < 12 or width < 12:
        return
    rng = setter.rng
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = rng.uniform(40, 220, 3)
    for grain in (max(height, width) // 3, max(4, max(height, width) // 12), 3):
        blots = smooth_noise(rng, height, width, max(2, grain))
        picture += blots[:, :, np.newaxis] * rng.uniform(5, 40, 3).astype(np.float32)
    for _ in range(setter.count(0, 5)):
        center = (setter.count(0, width), setter.count(0, height))
        color = rng.uniform(20, 235, 3).tolist()
        if setter.chance(0.5):
            cv2.circle(picture, center, setter.count(4, max(5, min(height, width) // 3)), color, -1)
        else:
            corner = (setter.count(0, width), setter.count(0, height))
            cv2.rectangle(picture, center, corner, color, -1)
    if setter.chance(0.5):
        picture[:] = picture.mean(axis=2, keepdims=True)
    sheet = setter.sheet
    sheet.canvas()[top:bottom, left:right] = np.clip(picture, 0, 255).astype(np.uint8)[
        : sheet.height - top, : sheet.width - left
    ]


def add_distractors(setter: Typesetter) -> None:
    """Scatter stamps, notes and stray lines over a finished sheet, each by chance."""
    sheet, difficulty = setter.sheet, setter.difficulty
    side = min(sheet.width, sheet.height)
    for draw, probability in ((add_stamp, 0.16), (add_scribble, 0.25), (add_barcode, 0.06)):
        if not setter.chance(2 * probability * difficulty):
            continue
        width = side * setter.between(0.12, 0.4)
        height = width * setter.between(0.15, 0.9)
        left = setter.between(0, sheet.width - width)
        top = setter.between(0, sheet.height - height)
        draw(setter, Area(left, top, left + width, top + height))
    if setter.chance(0.3 * difficulty):
        for _ in range(setter.count(1, 3)):
            x0, x1 = sorted(setter.between(0, sheet.width) for _ in range(2))
            y0 = setter.between(0, sheet.height)
            y1 = y0 + setter.between(-0.03, 0.03) * (x1 - x0)
            if setter.chance(0.3):
                x0, y0, x1, y1 = y0, x0, y1, x1
            cv2.line(
                sheet.marks,
                (round(x0), round(y0)),
                (round(x1), round(y1)),
                setter.count(60, 220),
                setter.count(1, 2),
                cv2.LINE_AA,
            )


def _is_free(sheet: Sheet, left: int, top: int, right: int, bottom: int) -> bool:
    if left < 0 or top < 0 or right > sheet.width or bottom > sheet.height:
        return False
    return not sheet.text[top:bottom, left:right].any()


def pick_area(setter: Typesetter, area: Area, least: float, most: float) -> Area:
    """Draw an area within another, its sides by a share of that one's."""
    width = area.width * setter.between(least, most)
    height = area.height * setter.between(least, most)
    left = area.left + pick((0.0, 0.5, 1.0), setter.rng) * (area.width - width)
    top = area.top + setter.rng.random() * (area.height - height)
    return Area(left, top, left + width, top + height)
