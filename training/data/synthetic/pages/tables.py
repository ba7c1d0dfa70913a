"""Sets tables, forms and invoices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from training.data.synthetic.pages.documents import type_area
from training.data.synthetic.pages.marks import add_barcode, add_logo, add_scribble
from training.data.synthetic.pages.pen import Pen
from training.data.synthetic.pages.typesetter import Align, Area, Typesetter
from training.data.synthetic.patterns import code, date, digits, pick


def set_table(setter: Typesetter) -> None:
    """Set a page of tables with titles."""
    area, em = type_area(setter, 0.03, 0.1), setter.em
    y = area.top
    while y + 8 * em < area.bottom:
        if setter.chance(0.6):
            pen = setter.heading(em * setter.between(1.0, 1.7))
            align: Align = "center" if setter.chance(0.4) else "left"
            y += 1.2 * pen.size
            setter.line(setter.wording.phrase(2, 7), pen, area.left, area.right, y, align)
            y += 0.8 * em
        bottom = min(area.bottom, y + setter.between(6, 45) * em)
        y = add_table(setter, replace(area, top=y, bottom=bottom)) + setter.between(1, 4) * em
        if setter.chance(0.4) and y + 8 * em < area.bottom:
            part = replace(area, top=y, bottom=min(area.bottom, y + setter.between(3, 8) * em))
            y = setter.prose(part, "left") + em


def add_table(setter: Typesetter, area: Area) -> float:
    """Write a table into an area, ruled or bare; return the y below it."""
    em, sheet, rng = setter.em, setter.sheet, setter.rng
    count = setter.count(2, max(2, min(9, int(area.width / (6 * em)))))
    shares = rng.dirichlet(np.full(count, 4.0)) * 0.6 + 0.4 / count
    edges = (area.left + area.width * np.cumsum([0.0, *shares])).tolist()
    makers = [_column_maker(setter, place == 0) for place in range(count)]
    of_words: tuple[Align, ...] = ("left", "left", "center")
    of_figures: tuple[Align, ...] = ("right", "right", "center")
    aligns = [pick(of_words if is_text else of_figures, rng) for _, is_text in makers]
    step = em * setter.between(1.3, 2.4)
    pad = em * setter.between(0.25, 0.6)
    rows = max(2, min(40, int(area.height / step)))
    has_grid, has_rows, has_head = setter.chance(0.35), setter.chance(0.3), setter.chance(0.85)
    is_dark_head = has_head and setter.chance(0.2)
    stripes = setter.chance(0.15)
    fill = setter.between(0.5, 1.0)
    head_pen = setter.pen(em, is_bold=setter.chance(0.7))
    if is_dark_head:
        sheet.fill(area.left, area.top, area.right, area.top + step, sheet.ink_color)
        head_pen = head_pen.colored(sheet.paper_color)
    shade = np.rint(0.9 * np.array(sheet.paper_color) + 0.1 * np.array(sheet.ink_color)).tolist()
    for row in range(rows):
        top = area.top + row * step
        y = top + 0.5 * step + 0.33 * em
        is_head = row == 0 and has_head
        if stripes and row % 2 and not is_head:
            sheet.fill(area.left, top, area.right, top + step, tuple(shade))
        for place, (make, _) in enumerate(makers):
            if not is_head and not setter.chance(fill):
                continue
            text = setter.wording.term() if is_head else make()
            pen = head_pen if is_head else setter.body
            left, right = edges[place] + pad, edges[place + 1] - pad
            setter.line(text, pen, left, right, y, aligns[place])
    bottom = area.top + rows * step
    _rules(setter, area, edges, step, rows, (has_grid, has_grid or has_rows))
    return bottom


def _rules(
    setter: Typesetter,
    area: Area,
    edges: list[float],
    step: float,
    rows: int,
    has: tuple[bool, bool],
) -> None:
    """Draw the rules of a table: of columns and of rows, or of its head alone."""
    sheet, thick = setter.sheet, max(1, round(setter.em * setter.between(0.04, 0.1)))
    bottom = area.top + rows * step
    has_columns, has_rows = has
    if has_columns:
        for x in edges:
            sheet.rule(x, area.top, x, bottom, thick)
    if has_rows:
        for row in range(rows + 1):
            sheet.rule(area.left, area.top + row * step, area.right, area.top + row * step, thick)
    elif setter.chance(0.6):
        for y in (area.top, area.top + step, bottom):
            sheet.rule(area.left, y, area.right, y, thick)


def _column_maker(setter: Typesetter, is_first: bool) -> tuple[Callable[[], str], bool]:
    """Choose what a column holds; return its maker and whether it is words."""
    wording, rng = setter.wording, setter.rng
    choice = setter.rng.random()
    if choice < (0.6 if is_first else 0.3):
        return (lambda: wording.phrase(1, 4, caps=0.1)), True
    if choice < 0.65:
        return wording.amount, False
    if choice < 0.75:
        return (lambda: digits(rng, 1, 6)), False
    if choice < 0.83:
        return (lambda: date(rng)), True
    if choice < 0.9:
        return (lambda: code(rng)), True
    return (lambda: pick(("yes", "no", "-", "x", "1", "0", "n/a", "OK"), rng)), False


def set_form(setter: Typesetter) -> None:
    """Set a form: labels, values on lines or in boxes, boxes to tick."""
    area, em = type_area(setter, 0.04, 0.1), setter.em
    y = area.top + 1.5 * em
    pen = setter.heading(em * setter.between(1.3, 2.2))
    setter.line(setter.wording.phrase(2, 6, caps=0.5), pen, area.left, area.right, y, "center")
    y += 1.5 * em
    if setter.chance(0.5):
        part = replace(area, top=y, bottom=y + 3.5 * em)
        y = setter.prose(part, "left", setter.pen(0.85 * em)) + em
    hand = setter.faces.choose(setter.rng, setter.wording.script, "hand")
    is_by_hand = hand.nature == "hand" and setter.chance(0.6)
    filled = setter.pen(em * setter.between(0.9, 1.25), family=hand if is_by_hand else None)
    if not is_by_hand and setter.chance(0.4):
        even = setter.faces.choose(setter.rng, setter.wording.script, "even")
        filled = setter.pen(em, family=even)
    step = em * setter.between(1.9, 3.2)
    style = setter.count(0, 3)
    while y + 3 * step < area.bottom:
        if setter.chance(0.12):
            y = _bar(setter, area, y + 0.6 * em) + 0.5 * em
        count = pick((1, 1, 2, 2, 3, 4), setter.rng)
        for column in area.columns(count, em):
            _field(setter, replace(column, top=y, bottom=y + step), filled, style)
        y += step
        if setter.chance(0.1):
            y = _ticks(setter, replace(area, top=y)) + 0.5 * em
    if setter.chance(0.5) and y + 3 * em < area.bottom:
        sheet = setter.sheet
        add_scribble(setter, Area(area.left, y, area.left + 10 * em, y + 2 * em))
        sheet.rule(area.left, y + 2.1 * em, area.left + 12 * em, y + 2.1 * em)
        setter.line("Signature", setter.pen(0.8 * em), area.left, area.right, y + 3.1 * em)


def _bar(setter: Typesetter, area: Area, y: float) -> float:
    """Write the title of a section on a bar; return the y below it."""
    em, sheet = setter.em, setter.sheet
    pen = setter.pen(em, is_bold=True)
    if setter.chance(0.5):
        sheet.fill(area.left, y, area.right, y + 1.6 * em, sheet.ink_color)
        pen = pen.colored(sheet.paper_color)
    else:
        sheet.frame(area.left, y, area.right, y + 1.6 * em)
    setter.line(setter.wording.phrase(1, 5), pen, area.left + 0.5 * em, area.right, y + 1.15 * em)
    return y + 1.6 * em


def _field(setter: Typesetter, area: Area, filled: Pen, style: int) -> None:
    """Write a label and, most of the time, its value."""
    em, sheet, wording = setter.em, setter.sheet, setter.wording
    label = setter.body if style != 2 else setter.body.sized(0.75)
    text = label.drawable(wording.term())
    has_value = setter.chance(0.75)
    base = area.bottom - 0.55 * em
    if style == 2:
        sheet.frame(area.left, area.top, area.right + em, area.bottom)
        setter.line(text, label, area.left + 0.3 * em, area.right, area.top + 0.9 * em)
        if has_value:
            left = area.left + setter.between(0.4, 2) * em
            setter.line(wording.value(), filled, left, area.right, area.bottom - 0.3 * em)
        return
    text = setter.cut(text, label, 0.5 * area.width)
    end = sheet.write(text + ":", label, area.left, base) + 0.6 * em
    if style == 0:
        sheet.rule(end, base + 0.2 * em, area.right, base + 0.2 * em)
    elif style == 1:
        sheet.dashes(end, area.right, base + 0.1 * em, 0.1 * em, max(1, round(0.08 * em)))
    elif area.right - end > 2 * em:
        sheet.frame(end, base - 1.1 * em, area.right, base + 0.45 * em)
    if has_value:
        start = end + setter.between(0.3, 1.2) * em
        setter.line(wording.value(), filled, start, area.right - 0.3 * em, base)


def _ticks(setter: Typesetter, area: Area) -> float:
    """Write choices beside boxes to tick; return the y below them."""
    em, sheet = setter.em, setter.sheet
    x, y, side = area.left, area.top + 1.2 * em, 0.85 * em
    for _ in range(setter.count(2, 6)):
        text = setter.body.drawable(setter.wording.phrase(1, 2, caps=0.1))
        if x + side + setter.body.width(text) + em > area.right:
            break
        sheet.frame(x, y - side, x + side, y, max(1, round(0.06 * em)))
        if setter.chance(0.3):
            sheet.rule(x + 2, y - side + 2, x + side - 2, y - 2, max(1, round(0.1 * em)))
            sheet.rule(x + 2, y - 2, x + side - 2, y - side + 2, max(1, round(0.1 * em)))
        x = sheet.write(text, setter.body, x + 1.3 * em, y) + setter.between(1, 3) * em
    return y + 0.6 * em


def set_invoice(setter: Typesetter) -> None:
    """Set an invoice: sender, customer, facts, table of items, totals."""
    area, em, wording = type_area(setter, 0.04, 0.1), setter.em, setter.wording
    y = area.top + 1.5 * em
    align: Align = pick(("left", "center", "right"), setter.rng)
    if setter.chance(0.3) and align != "left":
        add_logo(setter, Area(area.left, area.top, area.left + 6 * em, area.top + 5 * em))
    pen = setter.heading(em * setter.between(1.2, 2.2))
    setter.line(wording.phrase(2, 4, caps=0.6), pen, area.left, area.right, y, align)
    y += 1.5 * em
    for _ in range(setter.count(2, 5)):
        setter.line(wording.contact(), setter.body, area.left, area.right, y, align)
        y += 1.25 * em
    y += 1.5 * em
    pen = setter.heading(em * setter.between(1.1, 1.8))
    text = pick(("TAX INVOICE", "INVOICE", "Rechnung", "Delivery Order"), setter.rng)
    where: Align = pick(("left", "center", "right"), setter.rng)
    setter.line(text, pen, area.left, area.right, y, where)
    y += 2 * em
    top, (left, right) = y, area.columns(2, 2 * em)
    for column in (left, right):
        line = top
        colon = column.left + column.width * setter.between(0.3, 0.45)
        for _ in range(setter.count(2, 6)):
            room = colon - column.left - em
            term = setter.cut(setter.body.drawable(wording.term()), setter.body, room)
            setter.sheet.write(term, setter.body, column.left, line)
            setter.line(f": {wording.value()}", setter.body, colon, column.right, line)
            line += 1.35 * em
        y = max(y, line)
    part = replace(area, top=y + em, bottom=y + setter.between(8, 22) * em)
    y = add_table(setter, part) + 2 * em
    edge = area.right - area.width * setter.between(0.18, 0.28)
    for _ in range(setter.count(2, 6)):
        pen = setter.pen(em, is_bold=setter.chance(0.3))
        setter.line(wording.term(), pen, area.left + 0.4 * area.width, edge, y, "right")
        setter.line(wording.amount(), pen, edge + em, area.right, y, "right")
        y += 1.35 * em
    if y + 4 * em < area.bottom:
        setter.prose(Area(area.left, y + em, area.right, min(area.bottom, y + 6 * em)), "left")
    if setter.chance(0.15):
        width = min(10 * em, area.width / 3)
        add_barcode(setter, Area(area.right - width, area.bottom - 3 * em, area.right, area.bottom))
