"""Sets receipts: narrow, centred heads, items in columns, totals."""

from __future__ import annotations

from dataclasses import replace

from training.data.synthetic.pages.marks import add_barcode, add_logo
from training.data.synthetic.pages.pen import Pen
from training.data.synthetic.pages.typesetter import Area, Typesetter
from training.data.synthetic.patterns import date, digits, pick


class Receipt:
    """One receipt, set from top to bottom.

    Args:
        setter: with its sheet.
    """

    def __init__(self, setter: Typesetter) -> None:
        self.setter = setter
        sheet = setter.sheet
        side = sheet.width * setter.between(0.02, 0.09)
        self.left, self.right = side, sheet.width - side * setter.between(0.6, 1.3)
        self.y = sheet.height * setter.between(0.01, 0.09) + setter.em
        self.bottom = sheet.height - setter.em * setter.between(0.5, 3)
        self.body = setter.body
        if setter.chance(0.25) and self.body.size > 17:
            self.body = replace(self.body, dots=setter.count(2, 3))
        self.strong = setter.pen(
            setter.em * (1.0 if setter.chance(0.6) else setter.between(1.1, 1.4)), is_bold=True
        )
        if setter.chance(0.3):
            self.strong = replace(self.body, stretch=self.body.stretch * 1.5)
        self.step = setter.em * setter.between(1.1, 1.5)
        self.is_upper = setter.chance(0.45)
        self.rule_style = setter.count(0, 4)

    @property
    def has_room(self) -> bool:
        """Tell whether another line fits."""
        return self.y < self.bottom

    def write(self, text: str, x: float, share: float = 0.0, pen: Pen | None = None) -> None:
        """Write a text on the current line: from x, around x or up to x."""
        pen = self.body if pen is None else pen
        text = pen.drawable(text.upper() if self.is_upper else text)
        rooms = {0.0: self.right - x, 0.5: 2 * (self.right - x), 1.0: x - self.left}
        room = rooms[share]
        self.setter.sheet.write(self.setter.cut(text, pen, room), pen, x, self.y, share)

    def next(self, lines: float = 1.0) -> None:
        """Go to the next line."""
        self.y += lines * self.step

    def rule(self) -> None:
        """Draw a rule across, as lines, dashes or dots, and go on."""
        sheet, setter = self.setter.sheet, self.setter
        y = self.y - 0.35 * setter.em
        thick = max(1, round(setter.em * setter.between(0.03, 0.09)))
        if self.rule_style == 0:
            sheet.rule(self.left, y, self.right, y, thick)
        elif self.rule_style == 1:
            sheet.rule(self.left, y, self.right, y, thick)
            sheet.rule(self.left, y + 0.2 * setter.em, self.right, y + 0.2 * setter.em, thick)
        elif self.rule_style == 2:
            sheet.dashes(self.left, self.right, y, 0.45 * setter.em, thick)
        elif self.rule_style == 3:
            sheet.dashes(self.left, self.right, y, 0.15 * setter.em, thick)
        self.next(setter.between(0.5, 1.0))

    def head(self) -> None:
        """Write the shop's name and address."""
        setter, middle = self.setter, (self.left + self.right) / 2
        if setter.chance(0.2):
            size = setter.em * setter.between(2, 5)
            add_logo(setter, Area(middle - size, self.y - setter.em, middle + size, self.y + size))
            self.y += size + 1.2 * setter.em
        share, x = (0.5, middle) if setter.chance(0.85) else (0.0, self.left)
        if setter.chance(0.6):
            pen = setter.heading(setter.em * setter.between(1.1, 2.2))
            self.y += 0.6 * (pen.size - setter.em)
            self.write(setter.wording.phrase(1, 4, caps=0.7), x, share, pen)
            self.y += 0.3 * (pen.size - setter.em)
            self.next()
        for _ in range(setter.count(2, 7)):
            pen = self.strong if setter.chance(0.1) else self.body
            self.write(setter.wording.contact(), x, share, pen)
            self.next()
        self.next(setter.between(0, 0.8))
        if setter.chance(0.6):
            self.title()

    def title(self) -> None:
        """Write what kind of paper it is, at times light on a dark bar or in a frame."""
        setter, sheet, middle = self.setter, self.setter.sheet, (self.left + self.right) / 2
        text = pick(
            (
                "TAX INVOICE",
                "SIMPLIFIED TAX INVOICE",
                "Receipt",
                "INVOICE",
                "CASH SALE",
                "Rechnung",
                "OFFICIAL RECEIPT",
                "Facture",
            ),
            setter.rng,
        )
        pen, half = self.strong, self.strong.width(text) / 2 + setter.em
        top, bottom = self.y - 1.1 * pen.size, self.y + 0.4 * pen.size
        chance = setter.rng.random()
        if chance < 0.12 and not self.is_faint_paper:
            sheet.fill(middle - half, top, middle + half, bottom, sheet.ink_color)
            pen = pen.colored(sheet.paper_color)
        elif chance < 0.22:
            sheet.frame(middle - half, top, middle + half, bottom)
        self.write(text, middle, 0.5, pen)
        self.next(setter.between(1.1, 1.8))

    @property
    def is_faint_paper(self) -> bool:
        """Tell whether ink and paper are too alike for a bar of ink to hold paper-coloured text."""
        return abs(sum(self.setter.sheet.paper_color) - sum(self.setter.sheet.ink_color)) < 240

    def facts(self) -> None:
        """Write terms and their values, one or two pairs a line."""
        setter, wording = self.setter, self.setter.wording
        width = self.right - self.left
        colon_at = self.left + width * setter.between(0.2, 0.36)
        second = self.left + width * setter.between(0.52, 0.62)
        style = setter.count(0, 3)
        for _ in range(setter.count(2, 6)):
            if style == 0:
                self.write(f"{wording.term()}: {wording.value()}", self.left)
            elif style == 1:
                self.write(wording.term()[:12], self.left)
                self.write(":", colon_at)
                self.write(wording.value()[:18], colon_at + 1.2 * setter.em)
            elif style == 2:
                self.write(f"{wording.term()[:9]}: {wording.figure()}"[:20], self.left)
                self.write(f"{wording.term()[:8]}: {date(setter.rng)}"[:18], second)
            else:
                self.write(wording.term()[:14], self.left)
                self.write(wording.figure()[:16], self.right, 1.0)
            self.next()

    def items(self) -> None:
        """Write what was bought, in two to six columns."""
        setter, wording = self.setter, self.setter.wording
        width = self.right - self.left
        step = max(0.16 * width, self.body.width("1,234.56") + setter.em)
        count = setter.count(2, max(2, min(5, int(0.65 * width / step) + 1)))
        ends = [self.right - step * place - setter.between(0, 4) for place in range(count - 1)]
        names = ["Item", *["Amount", "Price", "Qty", "Disc"][: count - 1]]
        if setter.chance(0.3):
            names = ["Description", *["Amt(RM)", "U.P", "Tax", "Qty"][: count - 1]]
        if setter.chance(0.8):
            pen = self.strong if setter.chance(0.4) else self.body
            self.write(names[0], self.left, pen=pen)
            for name, end in zip(names[1:], ends, strict=True):
                self.write(name if pen.width(name) < step else name[:3], end, 1.0, pen)
            self.next()
            self.rule()
        is_two_lines = count > 3 or setter.chance(0.4)
        has_code = setter.chance(0.5)
        for _ in range(setter.count(1, 9)):
            if not self.has_room:
                return
            name = wording.phrase(1, 5, caps=0.6)
            longest = width if is_two_lines else min(ends) - step - self.left
            self.write(setter.cut(self.body.drawable(name), self.body, longest), self.left)
            if is_two_lines:
                self.next()
                if has_code:
                    indent = setter.between(0, 1) * setter.em
                    self.write(digits(setter.rng, 4, 9), self.left + indent)
            for place, end in enumerate(ends):
                is_count = place == 2 or (place == 1 and count == 3)
                value = digits(setter.rng, 1, 1) if is_count else wording.amount()
                self.write(
                    f"{value} {pick('SZ*', setter.rng)}"
                    if place == 0 and setter.chance(0.1)
                    else value,
                    end,
                    1.0,
                )
            self.next(1.0 if setter.chance(0.8) else 1.4)

    def totals(self) -> None:
        """Write sums, the last of them larger now and then."""
        setter, wording = self.setter, self.setter.wording
        width = self.right - self.left
        style = setter.count(0, 2)
        for _ in range(setter.count(2, 7)):
            pen = self.body
            if setter.chance(0.25):
                pen = self.strong
                if setter.chance(0.3):
                    pen = setter.pen(1.6 * setter.em, is_bold=True)
                self.y += max(0.0, 0.7 * (pen.size - setter.em))
            amount = pick(("", "", "RM ", "$ ", "€ "), setter.rng) + wording.amount()
            edge = self.right - max(0.2 * width, pen.width(amount) + 1.5 * pen.size)
            term = setter.cut(pen.drawable(wording.term()), pen, edge - self.left)
            if style == 0:
                self.write(term, self.left, pen=pen)
            elif style == 1:
                self.write(term + (" :" if setter.chance(0.5) else ""), edge, 1.0, pen)
            else:
                self.write(term, self.left + 0.25 * width, pen=pen)
            self.write(amount, self.right, 1.0, pen)
            self.next()

    def tail(self) -> None:
        """Write the closing lines."""
        setter, middle = self.setter, (self.left + self.right) / 2
        for _ in range(setter.count(1, 6)):
            if not self.has_room:
                return
            self.write(setter.wording.footer(), middle, 0.5)
            self.next()
        if setter.chance(0.2) and self.y + 4 * setter.em < self.bottom:
            half = (self.right - self.left) * setter.between(0.2, 0.45)
            height = setter.between(2, 4) * setter.em
            add_barcode(setter, Area(middle - half, self.y, middle + half, self.y + height))
            self.y += height + 1.2 * setter.em
            self.write(digits(setter.rng, 8, 14), middle, 0.5)


def set_receipt(setter: Typesetter) -> None:
    """Set a receipt."""
    receipt = Receipt(setter)
    receipt.head()
    receipt.facts()
    receipt.rule()
    while True:
        receipt.items()
        receipt.rule()
        receipt.totals()
        if not receipt.has_room or setter.chance(0.4):
            break
        receipt.rule()
    receipt.next(setter.between(0, 1))
    receipt.tail()
