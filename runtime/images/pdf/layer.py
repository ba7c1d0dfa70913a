"""Reads the text that stands in a page of a PDF file: its characters, words and lines.

pdfium gives characters in the order of the file, with spaces where gaps are, and their boxes. Its
line ends part the words of lines that run up or down a page, so that lines are made of the places
of words here. Only the process that opens PDF files imports this.
"""

from __future__ import annotations

import ctypes
import math
import unicodedata
from collections.abc import Iterator
from typing import Any, NamedTuple

from runtime.images.pdf.rendering import POINTS_PER_INCH, Geometry, pdfium

MOST_CHARACTERS = 200_000
"""A densely printed newspaper page has 30,000."""

_SPACE, _LETTER = "space", "letter"
_INVISIBLE = 3
_SAMPLED = 200
_HYPHEN = "\x02"
"""As pdfium gives a hyphen at the end of a line."""

_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Embeddings, overrides and isolates, with which a text is shown in another order than its own."""

_ASCENT, _DESCENT = 0.8, 0.2
_LAST_WIDTH = 0.5
"""Parts of the font's size, for text that leans, of which boxes say too little."""

_SAME_DIRECTION = math.radians(3)
_UPRIGHT_WITHIN = math.radians(0.5)
_WIDEST_GAP = 2.5
"""Times the height: words farther apart are lines of their own, as the cells of a table are."""

_SAME_LINE = 0.5
"""Of the lower of two words, which the other has to be beside."""

Point = tuple[float, float]


class _Character(NamedTuple):
    """A character on the rendered page.

    Args:
        kind: space, line ends among them, or letter.
        text: of it.
        is_bad: whether its meaning is not in the file.
        angle: that its text runs at, clockwise, in radians.
        corners: of its box, or of its place on the base line for text that leans, in px.
        size: of the font, in px.
    """

    kind: str
    text: str = ""
    is_bad: bool = False
    angle: float = 0.0
    corners: tuple[Point, ...] = ()
    size: float = 0.0


def layer_of(page: Any, geometry: Geometry) -> dict[str, Any]:
    """Return the text layer of a page.

    Args:
        page: of pypdfium2.
        geometry: of the rendered page.

    Returns:
        `lines` of words, each [text, [x, y, x, y, x, y, x, y]] without control characters, with
        four corners in px, from where the text begins above, clockwise for its reader;
        `characters`, how many there are but for spaces; `bad`, how many of them have no meaning;
        `is_hidden`, whether most are invisible; `warnings`.
    """
    raw, text_page = pdfium(), page.get_textpage()
    try:
        count = min(max(raw.FPDFText_CountChars(text_page), 0), MOST_CHARACTERS)
        runs: list[list[list[_Character]]] = []  # of words that run in one direction
        before: _Character | None = None
        num_letters = num_bad = num_left_out = 0
        for character in _characters(text_page, count, geometry):
            if character.kind != _LETTER:
                before = character
                continue
            num_letters += 1
            num_bad += character.is_bad
            if _controls(character.text):
                num_left_out += 1
                continue
            if not runs or _turns(runs[-1][-1][-1], character):
                runs.append([[character]])
            elif before is None or before.kind != _LETTER:
                runs[-1].append([character])
            else:
                runs[-1][-1].append(character)
            before = character
        return {
            "lines": [line for words in runs for line in _placed(words)],
            "characters": num_letters,
            "bad": num_bad,
            "is_hidden": _is_hidden(text_page, count),
            "warnings": _warnings(num_left_out),
        }
    finally:
        text_page.close()


def _characters(text_page: Any, count: int, geometry: Geometry) -> Iterator[_Character]:
    """Yield the characters of a page, those beyond its edges left out."""
    raw, high = pdfium(), 0
    for place in range(count):
        code = raw.FPDFText_GetUnicode(text_page, place)
        if 0xD800 <= code < 0xDC00:
            high = code
            continue
        if 0xDC00 <= code < 0xE000 and high:
            code = 0x10000 + ((high - 0xD800) << 10) + code - 0xDC00
        high = 0
        text = chr(code) if code < 0x110000 else "\ufffd"
        if text.isspace() or text == "\0":
            yield _Character(_SPACE)
        else:
            found = _located(text_page, place, text, geometry)
            if found is not None:
                yield found


def _located(text_page: Any, place: int, text: str, geometry: Geometry) -> _Character | None:
    """Return a character with its place; None if it is beyond the page's edges."""
    raw = pdfium()
    text = "-" if text == _HYPHEN else text
    category = unicodedata.category(text)
    is_bad = category in ("Cc", "Co", "Cn", "Cs") or text == "\ufffd"
    is_bad = is_bad or raw.FPDFText_HasUnicodeMapError(text_page, place) == 1
    a, b, c, d, e, f = geometry.matrix
    scale = geometry.px_per_inch / POINTS_PER_INCH
    matrix = raw.FS_MATRIX()
    angle, size = 0.0, raw.FPDFText_GetFontSize(text_page, place) * scale
    if raw.FPDFText_GetMatrix(text_page, place, matrix):
        along = (a * matrix.a + c * matrix.b, b * matrix.a + d * matrix.b)
        angle = math.atan2(along[1], along[0])
        size *= math.hypot(matrix.c, matrix.d)
    if _is_upright(angle):
        box = raw.FS_RECTF()
        if not raw.FPDFText_GetLooseCharBox(text_page, place, box):
            return None
        points = [(x, y) for x in (box.left, box.right) for y in (box.bottom, box.top)]
    else:
        x, y = ctypes.c_double(), ctypes.c_double()
        if not raw.FPDFText_GetCharOrigin(text_page, place, x, y):
            return None
        points = [(x.value, y.value)]
    corners = tuple((a * x + c * y + e, b * x + d * y + f) for x, y in points)
    if not all(map(math.isfinite, (size, *(value for corner in corners for value in corner)))):
        return None
    is_inside = any(
        0 <= x <= geometry.width_px and 0 <= y <= geometry.height_px for x, y in corners
    )
    return _Character(_LETTER, text, is_bad, angle, corners, size) if is_inside else None


def _controls(text: str) -> bool:
    """Tell whether a character is none to read, but would act on the terminal that shows it."""
    return text in _DIRECTIONS or unicodedata.category(text) == "Cc"


def _warnings(num_left_out: int) -> list[str]:
    if not num_left_out:
        return []
    return [f"{num_left_out} control characters in the file's text were left out"]


def _is_upright(angle: float) -> bool:
    """Tell whether text runs along the sides of the page."""
    quarter = math.pi / 2
    return abs(angle - round(angle / quarter) * quarter) < _UPRIGHT_WITHIN


def _turns(before: _Character, character: _Character) -> bool:
    """Tell whether text runs in another direction from a character on."""
    turned = character.angle - before.angle
    return abs(math.atan2(math.sin(turned), math.cos(turned))) > _SAME_DIRECTION


def _placed(words: list[list[_Character]]) -> Iterator[list[Any]]:
    """Yield the lines that words which run in one direction are, with their corners."""
    angle = words[0][0].angle
    along = (math.cos(angle), math.sin(angle))
    line: list[Any] = []
    begin, before = 0.0, (0.0, 0.0, 0.0, 0.0)
    for word in words:
        left, top, right, bottom = found = _extent(word, along)
        heights = (before[3] - before[1], bottom - top)
        is_apart = left - before[2] > _WIDEST_GAP * max(heights)
        is_apart |= min(before[3], bottom) - max(before[1], top) < _SAME_LINE * min(heights)
        if line and (is_apart or (right < begin and not _is_from_the_right(word))):
            yield line
            line = []
        if not line:
            begin = left
        before = found
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        turned = [
            round(value, 1)
            for u, v in corners
            for value in (u * along[0] - v * along[1], u * along[1] + v * along[0])
        ]
        line.append(["".join(character.text for character in word), turned])
    if line:
        yield line


def _is_from_the_right(word: list[_Character]) -> bool:
    """Tell whether a word has a letter that is written from the right to the left."""
    return any(unicodedata.bidirectional(character.text) in ("R", "AL") for character in word)


def _extent(word: list[_Character], along: Point) -> tuple[float, float, float, float]:
    """Return where a word lies along its direction and across it."""
    spots = [
        (x * along[0] + y * along[1], y * along[0] - x * along[1])
        for character in word
        for x, y in character.corners
    ]
    us, vs = [u for u, _ in spots], [v for _, v in spots]
    left, top, right, bottom = min(us), min(vs), max(us), max(vs)
    if len(word[0].corners) == 1:
        size = max(character.size for character in word)
        right += _LAST_WIDTH * size
        top, bottom = top - _ASCENT * size, bottom + _DESCENT * size
    return left, top, right, bottom


def _is_hidden(text_page: Any, count: int) -> bool:
    """Tell whether most characters are invisible, as those that another OCR put over a scan."""
    raw = pdfium()
    places = range(0, count, max(1, count // _SAMPLED))
    num_hidden = num_known = 0
    for place in places:
        drawn = raw.FPDFText_GetTextObject(text_page, place)
        if drawn:
            num_known += 1
            num_hidden += raw.FPDFTextObj_GetTextRenderMode(drawn) == _INVISIBLE
    return 2 * num_hidden > num_known
