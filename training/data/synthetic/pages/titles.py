"""Sets pages of few or large words: titles, catalogues, labels, signs."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from training.data.synthetic.pages.documents import running_head, type_area
from training.data.synthetic.pages.marks import add_logo, add_picture, pick_area
from training.data.synthetic.pages.pen import Pen
from training.data.synthetic.pages.sheet import TextBox
from training.data.synthetic.pages.typesetter import Align, Area, Typesetter
from training.data.synthetic.patterns import digits, pick, price


def set_title(setter: Typesetter) -> None:
    """Set a title page: centred lines of many sizes, ornaments between."""
    area, em, sheet = type_area(setter, 0.06, 0.14), setter.em, setter.sheet
    if setter.chance(0.2):
        sheet.frame(
            area.left / 2,
            area.top / 2,
            sheet.width - area.left / 2,
            sheet.height - area.top / 2,
            setter.count(1, 4),
        )
    if setter.chance(0.25):
        picture = pick_area(setter, replace(area, bottom=area.top + 0.4 * area.height), 0.4, 1.0)
        add_picture(setter, picture)
        area = replace(area, top=picture.bottom + em)
    align: Align = "center" if setter.chance(0.8) else "left"
    y = area.top
    while y + 3 * em < area.bottom:
        size = em * float(np.exp(setter.between(-0.1, 1.5)))
        pen = setter.heading(size) if setter.chance(0.7) else setter.pen(size, is_slanted=True)
        words = setter.wording.phrase(1, 6, caps=0.5).split()
        y = setter.paragraph(words, pen, replace(area, top=y), align, 1.2 * pen.size)
        y += setter.between(0.3, 4) * em
        if setter.chance(0.15):
            middle, half = (area.left + area.right) / 2, setter.between(0.05, 0.3) * area.width
            sheet.rule(middle - half, y, middle + half, y, setter.count(1, 3))
            y += em


def set_catalogue(setter: Typesetter) -> None:
    """Set a catalogue: centred names, numbered entries, prices at the right."""
    area, em, sheet = running_head(setter, type_area(setter, 0.06, 0.14)), setter.em, setter.sheet
    step = em * setter.between(1.15, 1.6)
    strong = setter.pen(em * setter.between(1.0, 1.2), is_bold=True)
    has_price, has_leaders = setter.chance(0.7), setter.chance(0.3)
    number, y = setter.count(1, 400), area.top + step
    indent = max(em * setter.between(2, 3.4), setter.body.width(f"{number + 99}.") + em)
    while y + 2 * step < area.bottom:
        if setter.chance(0.75):
            y += setter.between(0.1, 0.6) * step
            text = f"{setter.wording.phrase(2, 4, caps=0)}{pick('.,:', setter.rng)}"
            setter.line(text, strong, area.left, area.right, y, "center")
            y += step * setter.between(1.0, 1.3)
        for _ in range(setter.count(1, 7)):
            if y > area.bottom:
                break
            sheet.write(f"{number}.", setter.body, area.left, y)
            text = setter.wording.phrase(1, 8, caps=0.02)
            right = area.right - (5 * em if has_price else 0)
            text = setter.body.drawable(text + ".")
            text = setter.cut(text, setter.body, right - area.left - indent)
            end = sheet.write(text, setter.body, area.left + indent, y)
            if has_price and setter.chance(0.8):
                amount = digits(setter.rng, 2, 4) + pick(("", ".—", ".-"), setter.rng)
                sheet.write(amount, setter.body, area.right, y, 1.0)
                if has_leaders:
                    stop = area.right - setter.body.width(amount) - 0.5 * em
                    sheet.dashes(end + 0.5 * em, stop, y - 1, 1.0, max(1, round(0.07 * em)))
            number, y = number + 1, y + step


def set_scene(setter: Typesetter) -> None:
    """Set few texts, straight or turned, on a surface."""
    sheet, em = setter.sheet, setter.em
    whole = Area(0, 0, sheet.width, sheet.height)
    for _ in range(setter.count(0, 3)):
        add_picture(setter, pick_area(setter, whole, 0.1, 0.6))
    for _ in range(setter.count(0, 3)):
        area = pick_area(setter, whole, 0.15, 0.5)
        sheet.fill(area.left, area.top, area.right, area.bottom, sheet.paper_color)
        if setter.chance(0.5):
            sheet.frame(area.left, area.top, area.right, area.bottom, setter.count(1, 4))
    for _ in range(setter.count(2, 14)):
        size = em * float(np.exp(setter.between(-0.3, 1.6)))
        family = setter.faces.choose(setter.rng, setter.wording.script)
        pen = setter.pen(size, is_bold=setter.chance(0.5), family=family)
        text = setter.wording.phrase(1, 3, caps=0.5) if setter.chance(0.8) else price(setter.rng)
        degrees = setter.between(0, 1) ** 3 * pick((-60, 60), setter.rng)
        add_turned(setter, text, replace(pen, slant=0.0), degrees)
    if setter.chance(0.3):
        add_logo(setter, pick_area(setter, whole, 0.1, 0.25))


def add_turned(setter: Typesetter, text: str, pen: Pen, degrees: float) -> None:
    """Write a text turned by some degrees, at a place where there is room."""
    sheet = setter.sheet
    glyphs = pen.glyphs(pen.drawable(text)) if pen.drawable(text) else None
    if glyphs is None:
        return
    height, width = glyphs.mask.shape
    margin = 0.5 + 0.08 * pen.size
    right, bottom = width + margin, height + margin
    corners = np.array([(-margin, -margin), (right, -margin), (right, bottom), (-margin, bottom)])
    angle = np.deg2rad(degrees)
    turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    turned = corners @ turn.T
    low = turned.min(axis=0)
    size = np.ceil(turned.max(axis=0) - low).astype(int) + 2
    if size[0] >= sheet.width or size[1] >= sheet.height:
        return
    matrix = np.concatenate([turn, (1 - low)[:, np.newaxis]], axis=1)
    mask = cv2.warpAffine(glyphs.mask, matrix, (int(size[0]), int(size[1])))
    for _ in range(6):
        left, top = setter.count(0, sheet.width - size[0]), setter.count(0, sheet.height - size[1])
        place = (slice(top, top + size[1]), slice(left, left + size[0]))
        if not sheet.text[place].any():
            np.maximum(sheet.text[place], mask, out=sheet.text[place])
            quad = turned - low + 1 + (left, top)
            sheet.boxes.append(TextBox(pen.drawable(text), quad[:2], quad[:1:-1]))
            if pen.color is not None:
                sheet.color((left, top, left + int(size[0]), top + int(size[1])), pen.color)
            return
