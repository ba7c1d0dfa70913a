"""Writes a PDF file piece by piece: nothing of a page is held once it is written.

Source: PDF 32000-1, 7.5 (structure of a file).
"""

from __future__ import annotations

import zlib
from typing import BinaryIO

from runtime.pages.searchable.font import (
    InvisibleFont,
    descendant_font,
    font,
    font_descriptor,
    font_file,
)
from runtime.pages.searchable.picture import Picture

_CATALOG, _PAGES, _FONT, _INFO = 1, 2, 3, 4


class PdfFile:
    """A PDF file of pictures with unseen text.

    Args:
        stream: at its beginning.
        producer: name and version of the program.
    """

    def __init__(self, stream: BinaryIO, producer: str) -> None:
        self._stream = stream
        self.font = InvisibleFont()
        self._producer = producer
        self._offsets: dict[int, int] = {}
        self._next, self._written = _INFO + 1, 0
        self._pages: list[int] = []
        self._write(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")

    def add_page(self, picture: Picture | None, size: tuple[float, float], text: bytes) -> None:
        """Add a page.

        Args:
            picture: fills it; None for a page on which nothing is seen.
            size: width and height in points.
            text: operators, in the points of the page, with `self.font`.
        """
        width, height = size
        resources = f"/Font << /{self.font.name} {_FONT} 0 R >>"
        if picture is not None:
            image = self._add_stream(picture.entries, picture.data)
            text += f"q {width:.4f} 0 0 {height:.4f} 0 0 cm /Picture Do Q\n".encode()
            resources += f" /XObject << /Picture {image} 0 R >>"
        content = self._add_packed(text)
        self._pages.append(
            self._add(
                f"<< /Type /Page /Parent {_PAGES} 0 R /MediaBox [0 0 {width:.4f} {height:.4f}] "
                f"/Contents {content} 0 R /Resources << {resources} >> >>"
            )
        )

    def close(self) -> None:
        """Write what the pages refer to, and the end; the stream stays open."""
        glyphs = self._add_packed(self.font.glyphs_of_codes())
        characters = self._add_packed(self.font.character_map())
        data = font_file()
        file = self._add_packed(data, f"/Length1 {len(data)}")
        descriptor = self._add(font_descriptor(f"{file} 0 R"))
        descendant = self._add(descendant_font(f"{descriptor} 0 R", f"{glyphs} 0 R"))
        self._put(_FONT, font(f"{descendant} 0 R", f"{characters} 0 R").encode())
        pages = " ".join(f"{number} 0 R" for number in self._pages)
        self._put(_PAGES, f"<< /Type /Pages /Count {len(self._pages)} /Kids [{pages}] >>".encode())
        self._put(_CATALOG, f"<< /Type /Catalog /Pages {_PAGES} 0 R >>".encode())
        producer = self._producer.encode("ascii", "replace").hex().upper()
        self._put(_INFO, f"<< /Producer <{producer}> >>".encode())
        self._end()

    def _end(self) -> None:
        """Write where the objects are."""
        begin, count = self._written, self._next
        self._write(f"xref\n0 {count}\n0000000000 65535 f \n".encode())
        for number in range(1, count):
            self._write(f"{self._offsets[number]:010} 00000 n \n".encode())
        self._write(
            f"trailer\n<< /Size {count} /Root {_CATALOG} 0 R /Info {_INFO} 0 R >>\n"
            f"startxref\n{begin}\n%%EOF\n".encode()
        )

    def _add(self, content: str) -> int:
        """Write an object; return its number."""
        number = self._next
        self._next += 1
        self._put(number, content.encode("ascii"))
        return number

    def _add_packed(self, data: bytes, entries: str = "") -> int:
        return self._add_stream(f"/Filter /FlateDecode {entries}", zlib.compress(data))

    def _add_stream(self, entries: str, data: bytes) -> int:
        number = self._next
        self._next += 1
        head = f"<< {entries} /Length {len(data)} >>\nstream\n".encode("ascii")
        self._put(number, head + data + b"\nendstream")
        return number

    def _put(self, number: int, content: bytes) -> None:
        self._offsets[number] = self._written
        self._write(f"{number} 0 obj\n".encode() + content + b"\nendobj\n")

    def _write(self, data: bytes) -> None:
        self._stream.write(data)
        self._written += len(data)
