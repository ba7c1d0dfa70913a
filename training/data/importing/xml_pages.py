"""ALTO and PAGE: XML of pages with their lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from runtime.errors import DatasetError
from training.data.importing.files import Element, xml_of
from training.data.importing.page import (
    ImportedPage,
    LabelledText,
    box,
    labelled,
    page_of,
    pairs_in,
)

_HYPHEN = "-"


class Alto:
    """A `Format`: the lines of ALTO, versions 2 to 4, in px."""

    suffixes: ClassVar[Sequence[str]] = (".xml",)

    def read(self, file: Path) -> Iterator[ImportedPage]:
        """Yield the pages of a file."""
        root = xml_of(file)
        if root.name != "alto":
            raise DatasetError(f"{file}: expected ALTO, got <{root.name}>; check --from")
        unit = next((element.text.strip() for element in root.find("MeasurementUnit")), "pixel")
        if unit != "pixel":
            raise DatasetError(f"{file}: expected coordinates in px, got {unit}; export in px")
        names = [element.text.strip() for element in root.find("fileName")]
        pages = list(root.find("Page"))
        if len(pages) > 1 and len(names) < len(pages):
            raise DatasetError(
                f"{file}: expected a picture for each of {len(pages)} pages, got {len(names)}; "
                "write a file a page"
            )
        for number, page in enumerate(pages):
            name = names[number] if number < len(names) and names[number] else file.stem
            yield page_of(
                name, (_alto_line(line, file) for line in page.find("TextLine")), str(file)
            )


def _alto_line(line: Element, file: Path) -> LabelledText | None:
    where = f"{file}, line {line.attributes.get('ID', '')}"
    words = [child for child in line.children if child.name == "String"]
    text = " ".join(word.attributes.get("CONTENT", "") for word in words)
    hyphen = line.first("HYP")
    mark = "" if hyphen is None else hyphen.attributes.get("CONTENT", _HYPHEN)
    if not text.endswith(mark):
        text += mark
    for polygon in line.find("Polygon"):
        return labelled(pairs_in(polygon.attributes.get("POINTS", ""), where), text, where)
    try:
        left, top, width, height = (
            float(line.attributes[key]) for key in ("HPOS", "VPOS", "WIDTH", "HEIGHT")
        )
    except (KeyError, ValueError) as error:
        raise DatasetError(f"{where}: expected HPOS, VPOS, WIDTH, HEIGHT or a polygon") from error
    return labelled(box(left, top, left + width, top + height), text, where)


class PageXml:
    """A `Format`: the lines of PAGE, as Transkribus, eScriptorium and OCR-D write them."""

    suffixes: ClassVar[Sequence[str]] = (".xml",)

    def read(self, file: Path) -> Iterator[ImportedPage]:
        """Yield the page of a file."""
        root = xml_of(file)
        page = root.first("Page")
        if root.name != "PcGts" or page is None:
            raise DatasetError(f"{file}: expected PAGE, got <{root.name}>; check --from")
        name = page.attributes.get("imageFilename") or file.stem
        texts = (_page_line(line, file) for line in page.find("TextLine"))
        yield page_of(name, texts, str(file))


def _page_line(line: Element, file: Path) -> LabelledText | None:
    where = f"{file}, line {line.attributes.get('id', '')}"
    coordinates = line.first("Coords")
    if coordinates is None:
        raise DatasetError(f"{where}: expected Coords, got none")
    points = coordinates.attributes.get("points")
    if points is None:  # of 2010
        points = " ".join(
            f"{point.attributes.get('x', '')},{point.attributes.get('y', '')}"
            for point in coordinates.find("Point")
        )
    # The first in order of `index` is the one that counts.
    readings = [child for child in line.children if child.name == "TextEquiv"]
    readings.sort(key=lambda reading: reading.attributes.get("index", "0").zfill(9))
    unicode = readings[0].first("Unicode") if readings else None
    return labelled(pairs_in(points, where), "" if unicode is None else unicode.text, where)
