"""Writes the text of pages as ALTO 4, which libraries and archives keep.

Source: ALTO XML schema 4.4 of the Library of Congress.
"""

from __future__ import annotations

from runtime.pages.formats.places import Rectangle, rectangle_around, words_of, xml_error, xml_text
from runtime.pages.result import PageColumn, PageLine, PageText, PageWord, Points

_NAMESPACE = "http://www.loc.gov/standards/alto/ns-v4#"
_SCHEMA = "http://www.loc.gov/alto/v4/alto-4-4.xsd"


def alto_begin(source: str | None, system: str, version: str) -> str:
    """Return what stands before the first page.

    Args:
        source: name of the file that the pages are of; None if they are of several.
        system: name of the program.
        version: of the program.
    """
    name = "" if source is None else f"<fileName>{xml_text(source)}</fileName>"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<alto xmlns="{_NAMESPACE}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xsi:schemaLocation="{_NAMESPACE} {_SCHEMA}" SCHEMAVERSION="4.4">\n'
        " <Description>\n  <MeasurementUnit>pixel</MeasurementUnit>\n"
        f"  <sourceImageInformation>{name}</sourceImageInformation>\n"
        '  <Processing ID="reading"><processingSoftware>'
        f"<softwareName>{xml_text(system)}</softwareName>"
        f"<softwareVersion>{xml_text(version)}</softwareVersion>"
        "</processingSoftware></Processing>\n </Description>\n <Layout>\n"
    )


def alto_page(page: PageText, number: int) -> str:
    """Return a page; one that could not be read is empty and says why in a comment.

    Args:
        page: its text.
        number: of the page in the file that is written, from 1.
    """
    parts = [
        f'  <Page ID="page_{number}" PHYSICAL_IMG_NR="{page.page or number}" '
        f'WIDTH="{page.width_px}" HEIGHT="{page.height_px}">\n'
    ]
    parts.append(xml_error(page.error))
    parts.append(f"   <PrintSpace {_box(Rectangle(0, 0, page.width_px, page.height_px))}>\n")
    for place, column in enumerate(page.columns, 1):
        parts += _block(page, column, f"{number}_{place}")
    parts.append("   </PrintSpace>\n  </Page>\n")
    return "".join(parts)


def alto_end() -> str:
    """Return what stands behind the last page."""
    return " </Layout>\n</alto>\n"


def _block(page: PageText, column: PageColumn, name: str) -> list[str]:
    """Return a column, without the lines that have no text, for which ALTO has no form."""
    rotation = f' ROTATION="{page.angle:.2f}"' if page.angle else ""
    box = _box(rectangle_around(column.points))
    parts = [f'    <TextBlock ID="block_{name}" {box}{rotation}>\n', f"{_shape(column.points)}\n"]
    for index in column.lines:
        if page.lines[index].text:
            parts.append(_line(page.lines[index], f"{name}_{index + 1}"))
    parts.append("    </TextBlock>\n")
    return parts


def _line(line: PageLine, name: str) -> str:
    base = ""
    if len(line.points) == 4:
        (right_x, right_y), (left_x, left_y) = line.points[2], line.points[3]
        base = f' BASELINE="{left_x:.0f},{left_y:.0f} {right_x:.0f},{right_y:.0f}"'
    words = words_of(line)
    strings = [_string(word, f"{name}_{place}") for place, word in enumerate(words, 1)]
    return (
        f'     <TextLine ID="line_{name}" {_box(rectangle_around(line.points))}{base}>'
        f"{_shape(line.points)}{'<SP/>'.join(strings)}</TextLine>\n"
    )


def _string(word: PageWord, name: str) -> str:
    confidence = min(max(word.confidence, 0.0), 1.0)
    return (
        f'<String ID="word_{name}" {_box(rectangle_around(word.points))} WC="{confidence:.3f}" '
        f'CONTENT="{xml_text(word.text)}"/>'
    )


def _shape(points: Points) -> str:
    corners = " ".join(f"{x:.0f},{y:.0f}" for x, y in points)
    return f'<Shape><Polygon POINTS="{corners}"/></Shape>'


def _box(box: Rectangle) -> str:
    return (
        f'HPOS="{box.left}" VPOS="{box.top}" WIDTH="{box.right - box.left}" '
        f'HEIGHT="{box.bottom - box.top}"'
    )
