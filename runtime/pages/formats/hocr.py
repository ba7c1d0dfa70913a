"""Writes the text of pages as hOCR, a web page that says where each word was.

Source: hOCR 1.2, sections 3 (properties) and 5 (elements).
"""

from __future__ import annotations

import math

from runtime.pages.formats.places import leaning, rectangle_around, words_of, xml_error, xml_text
from runtime.pages.result import PageLine, PageText, PageWord

_STEEPEST = 45.0
_QUARTER = 90
_CAPABILITIES = "ocr_page ocr_carea ocr_par ocr_line ocrx_word ocrp_wconf ocrp_poly"


def hocr_begin(system: str) -> str:
    """Return what stands before the first page.

    Args:
        system: name and version of the program.
    """
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" '
        '"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">\n'
        '<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">\n'
        " <head>\n"
        "  <title></title>\n"
        '  <meta http-equiv="Content-Type" content="text/html;charset=utf-8"/>\n'
        f'  <meta name="ocr-system" content="{xml_text(system)}"/>\n'
        f'  <meta name="ocr-capabilities" content="{_CAPABILITIES}"/>\n'
        " </head>\n <body>\n"
    )


def hocr_page(page: PageText, number: int) -> str:
    """Return a page; one that could not be read is empty and says why in a comment.

    Args:
        page: its text.
        number: of the page in the file that is written, from 1.
    """
    title = [
        f'image "{_in_quotes(page.source or "")}"',
        f"bbox 0 0 {page.width_px} {page.height_px}",
        f"ppageno {(page.page or number) - 1}",
    ]
    if page.px_per_inch is not None:
        title.append(f"scan_res {round(page.px_per_inch)} {round(page.px_per_inch)}")
    parts = [f"  <div class='ocr_page' id='page_{number}' title='{_title(*title)}'>\n"]
    parts.append(xml_error(page.error))
    num_words = 0
    for place, column in enumerate(page.columns, 1):
        box = "bbox {} {} {} {}".format(*rectangle_around(column.points))
        name = f"{number}_{place}"
        parts.append(f"   <div class='ocr_carea' id='block_{name}' title='{box}'>\n")
        parts.append(f"    <p class='ocr_par' id='par_{name}' title='{box}'>\n")
        for index in column.lines:
            line = page.lines[index]
            parts.append(_line(line, f"{number}_{index + 1}", number, num_words))
            num_words += len(words_of(line))
        parts.append("    </p>\n   </div>\n")
    parts.append("  </div>\n")
    return "".join(parts)


def hocr_end() -> str:
    """Return what stands behind the last page."""
    return " </body>\n</html>\n"


def _line(line: PageLine, name: str, page: int, num_words: int) -> str:
    """Return a line; words are counted through the page."""
    title = ["bbox {} {} {} {}".format(*rectangle_around(line.points)), _poly(line), *_lean(line)]
    title.append(f"x_wconf {round(100 * line.confidence)}")
    words = " ".join(
        _word(word, f"{page}_{num_words + place}") for place, word in enumerate(words_of(line), 1)
    )
    return f"     <span class='ocr_line' id='line_{name}' title='{_title(*title)}'>{words}</span>\n"


def _word(word: PageWord, name: str) -> str:
    box = "bbox {} {} {} {}".format(*rectangle_around(word.points))
    title = f"{box}; x_wconf {round(100 * word.confidence)}"
    return f"<span class='ocrx_word' id='word_{name}' title='{title}'>{xml_text(word.text)}</span>"


def _poly(line: PageLine) -> str:
    return "poly " + " ".join(f"{round(x)} {round(y)}" for x, y in line.points)


def _lean(line: PageLine) -> list[str]:
    """Say how a line leans: its base line, and the angle of its text, counter-clockwise."""
    if len(line.points) != 4:
        return []
    angle = leaning(line.points)
    quarter = _QUARTER * round(angle / _QUARTER)
    if abs(angle) > _STEEPEST:
        # Readers take the angle of text that stands or hangs for a whole number of quarters.
        return [f"textangle {-quarter % 360}"]
    box = rectangle_around(line.points)
    (right_x, right_y), (left_x, left_y) = line.points[2], line.points[3]
    if not right_x - left_x > 0:
        return []
    slope = (right_y - left_y) / (right_x - left_x)
    below = left_y + slope * (box.left - left_x) - box.bottom
    return [f"baseline {slope:.4f} {math.floor(below)}"]


def _title(*properties: str) -> str:
    return xml_text("; ".join(properties))


def _in_quotes(name: str) -> str:
    """Return a name that ends no quoted string; hOCR has no escapes within one."""
    return name.replace('"', "'").replace("\n", " ")
