"""Sets pages of running text: books, papers, dense small print, typescripts, letters."""

from __future__ import annotations

from dataclasses import replace

from training.data.synthetic.pages.marks import add_logo, add_picture, add_scribble
from training.data.synthetic.pages.typesetter import Align, Area, Typesetter
from training.data.synthetic.patterns import date, digits, pick


def type_area(setter: Typesetter, least: float = 0.05, most: float = 0.14) -> Area:
    """Draw the margins of a page; return what is left for text."""
    sheet = setter.sheet
    left, right = setter.between(least, most), setter.between(least, most)
    top, bottom = setter.between(least, most), setter.between(least, most)
    return Area(
        sheet.width * left,
        sheet.height * top,
        sheet.width * (1 - right),
        sheet.height * (1 - bottom),
    )


def _align(setter: Typesetter) -> Align:
    return "justify" if setter.chance(0.65) else "left"


def running_head(setter: Typesetter, area: Area) -> Area:
    """Write a running head and a page number; return the area between them."""
    sheet, em = setter.sheet, setter.em
    number = digits(setter.rng, 1, 3)
    if setter.chance(0.5):
        y = area.top + 0.3 * em
        pen = setter.pen(em * setter.between(0.75, 1.0), is_slanted=setter.chance(0.4))
        setter.line(setter.wording.phrase(2, 6), pen, area.left, area.right - 4 * em, y)
        if setter.chance(0.6):
            sheet.write(number, pen, area.right, y, 1.0)
        if setter.chance(0.4):
            sheet.rule(area.left, y + 0.6 * em, area.right, y + 0.6 * em)
        return replace(area, top=y + 1.6 * em)
    if setter.chance(0.6):
        text = pick(("{}", "- {} -", "— {} —", "Page {}", "[{}]"), setter.rng).format(number)
        x = pick((area.left, (area.left + area.right) / 2, area.right), setter.rng)
        share = (x - area.left) / (area.right - area.left)
        if setter.chance(0.5):
            sheet.write(text, setter.body, x, area.bottom, share)
            return replace(area, bottom=area.bottom - 2 * em)
        sheet.write(text, setter.body, x, area.top, share)
        return replace(area, top=area.top + 2 * em)
    return area


def set_prose(setter: Typesetter) -> None:
    """Set a page of a book or a paper in one to three columns."""
    area = running_head(setter, type_area(setter))
    if setter.chance(0.3):
        area = replace(area, top=_headline(setter, area))
    _columns(setter, area, setter.count(1, 3) if area.width > 36 * setter.em else 1)


def set_dense(setter: Typesetter) -> None:
    """Set small print in as many columns as fit."""
    area = type_area(setter, 0.02, 0.06)
    setter.leading = setter.em * setter.between(1.02, 1.3)
    most = max(1, min(5, int(area.width / (16 * setter.em))))
    _columns(setter, area, setter.count(min(2, most), most))


def _headline(setter: Typesetter, area: Area) -> float:
    """Write a title across the page; return the y below it."""
    pen = setter.heading(setter.em * setter.between(1.5, 3.2))
    words = setter.wording.phrase(2, 9, caps=0.3).split()
    align: Align = "center" if setter.chance(0.6) else "left"
    y = setter.paragraph(words, pen, area, align, 1.15 * pen.size) + setter.em
    if setter.chance(0.5):
        pen = setter.pen(setter.em * setter.between(0.9, 1.2), is_slanted=setter.chance(0.3))
        setter.line(setter.wording.phrase(2, 6, caps=0.1), pen, area.left, area.right, y, align)
        y += 1.5 * setter.em
    return y


def _columns(setter: Typesetter, area: Area, count: int) -> None:
    em, align = setter.em, _align(setter)
    gap = em * setter.between(1.6, 3)
    columns = area.columns(count, gap)
    if count > 1 and setter.chance(0.2):
        for column in columns[1:]:
            between = column.left - gap / 2
            setter.sheet.rule(between, area.top, between, area.bottom)
    for column in columns:
        y = column.top + setter.between(0, 2) * (em if count == 1 else 0)
        end = (
            column.bottom
            if setter.chance(0.75)
            else column.top + column.height * setter.between(0.2, 1.0)
        )
        while y + 2 * em < end:
            y = _section(setter, replace(column, top=y, bottom=end), align)


def _section(setter: Typesetter, column: Area, align: Align) -> float:
    """Write a heading, a picture with its caption or some paragraphs; return the y below."""
    em, y, chance = setter.em, column.top, setter.rng.random()
    if chance < 0.3:
        pen = setter.heading(em * setter.between(1.0, 1.6))
        text = setter.wording.phrase(1, 6, caps=0.25)
        if setter.chance(0.3):
            text = f"{setter.count(1, 9)}.{setter.count(1, 9)} {text}"
        heading: Align = "center" if setter.chance(0.3) else "left"
        y += 0.5 * em
        y = setter.paragraph(text.split(), pen, replace(column, top=y), heading, 1.2 * pen.size)
        y += 0.3 * em
    elif chance < 0.36 and column.height > 14 * em:
        height = min(column.height * 0.4, column.width * setter.between(0.4, 0.9))
        add_picture(setter, replace(column, top=y + em, bottom=y + em + height))
        y += height + 1.6 * em
        pen = setter.pen(0.85 * em, is_slanted=setter.chance(0.5))
        caption = f"Fig. {setter.count(1, 30)}: {setter.wording.phrase(3, 12, caps=0)}"
        y = setter.paragraph(caption.split(), pen, replace(column, top=y), "left", em) + em
    if y + 2 * setter.leading > column.bottom:
        return y
    bottom = min(column.bottom, y + setter.between(4, 24) * setter.leading)
    return setter.prose(replace(column, top=y, bottom=bottom), align) + 0.4 * setter.leading


def set_typescript(setter: Typesetter) -> None:
    """Set a page of a typewriter."""
    unevenness = setter.between(0.2, 1.0) if setter.difficulty and setter.chance(0.6) else 0.0
    stretch = setter.between(0.9, 1.15)
    setter.body = replace(setter.body, stretch=stretch, unevenness=unevenness)
    area = type_area(setter, 0.04, 0.15)
    setter.leading = setter.em * pick((1.25, 1.5, 2.0, 2.5), setter.rng)
    if setter.chance(0.6):
        text = pick(("- {} -", "-{}-", "{}", "{}.", "Seite {}"), setter.rng)
        text = text.format(digits(setter.rng, 1, 2))
        x = (area.left + area.right) / 2 if setter.chance(0.7) else area.right - 3 * setter.em
        setter.sheet.write(text, setter.body, x, area.top, 0.5)
        area = replace(area, top=area.top + setter.leading)
    if setter.chance(0.3):
        text = (
            " ".join(setter.wording.phrase(1, 4, caps=0.7))
            if setter.chance(0.3)
            else (setter.wording.phrase(1, 5, caps=0.7))
        )
        y = area.top + setter.em
        setter.line(text, setter.body, area.left, area.right, y, "center")
        if setter.chance(0.5):
            width = setter.body.width(text) / 2
            middle = (area.left + area.right) / 2
            below = y + 0.3 * setter.em
            setter.sheet.rule(middle - width, below, middle + width, below)
        area = replace(area, top=y + setter.leading)
    if setter.chance(0.35):
        area = replace(area, bottom=area.top + area.height * setter.between(0.2, 0.9))
    y = setter.prose(area, "left")
    if setter.chance(0.3):
        middle = area.left + 0.5 * area.width
        text = setter.wording.phrase(1, 3)
        setter.line(text, setter.body, middle, area.right, y + setter.leading)


def set_letter(setter: Typesetter) -> None:
    """Set a letter: head, addresses, date, subject, text, signature, foot."""
    area, em, sheet = type_area(setter, 0.07, 0.13), setter.em, setter.sheet
    y = area.top + em
    if setter.chance(0.5):
        pen = setter.heading(em * setter.between(1.4, 2.6))
        align: Align = pick(("left", "center", "right"), setter.rng)
        setter.line(setter.wording.phrase(1, 4), pen, area.left, area.right, y + em, align)
        y += 2.2 * em
        if setter.chance(0.4):
            corner = replace(area, left=area.right - 4 * em, bottom=area.top + 2.5 * em)
            add_logo(setter, corner)
        if setter.chance(0.4):
            sheet.rule(area.left, y, area.right, y, setter.count(1, 2))
        y += 1.5 * em
    for x in (area.left, area.left + area.width * setter.between(0.55, 0.7)):
        line = y
        for _ in range(setter.count(0, 5)):
            setter.line(setter.wording.contact(), setter.body, x, area.right, line)
            line += 1.25 * em
        if setter.chance(0.5):
            y = line
    y = max(y, line) + setter.between(1, 4) * em
    where: Align = "right" if setter.chance(0.6) else "left"
    setter.line(date(setter.rng), setter.body, area.left, area.right, y, where)
    y += setter.between(1.5, 3) * em
    if setter.chance(0.6):
        pen = setter.pen(em, is_bold=setter.chance(0.8))
        setter.line("Re: " + setter.wording.phrase(2, 7), pen, area.left, area.right, y)
        y += 2 * em
    bottom = y + (area.bottom - y) * setter.between(0.35, 0.85)
    y = setter.prose(replace(area, top=y, bottom=bottom), _align(setter))
    y += setter.between(1, 2) * em
    setter.line(f"{setter.wording.phrase(1, 2)},", setter.body, area.left, area.right, y)
    add_scribble(setter, Area(area.left, y + em, area.left + 9 * em, y + 3.5 * em))
    setter.line(setter.wording.phrase(2, 3), setter.body, area.left, area.right, y + 5 * em)
    if setter.chance(0.5) and y + 8 * em < area.bottom:
        pen = setter.pen(0.72 * em)
        sheet.rule(area.left, area.bottom - em, area.right, area.bottom - em)
        for column in area.columns(setter.count(1, 3), 2 * em):
            for row in range(setter.count(1, 2)):
                setter.line(
                    setter.wording.contact(),
                    pen,
                    column.left,
                    column.right,
                    area.bottom + row * 0.95 * em,
                )
