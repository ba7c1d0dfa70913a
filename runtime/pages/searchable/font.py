"""A font that shows nothing, for text that is there and not seen.

Every character has the same width and shows nothing; which character a code is stands beside the
font, so that a text of any script can be copied.

Sources: PDF 32000-1, 9.6 to 9.10; the tables of TrueType that 9.9 asks for.
"""

from __future__ import annotations

import struct

WIDTH = 0.5
"""Of a character, in parts of the font's size."""

ASCENT, DESCENT = 0.8, 0.2
"""Above and below the base line, in parts of the font's size: what is marked when selected."""

USUAL_NAME = "f-0-0"
"""As Tesseract's files have it, and OCRmyPDF looks for it."""

_UNITS = 1000
_MOST_CODES = 65_534
_UNKNOWN = "\ufffd"
_PER_BLOCK = 100
"""Mappings that a block of a character map may hold."""


class InvisibleFont:
    """Gives codes to characters as they come, and writes the font that knows them.

    Args:
        name: among the resources of a page.
    """

    def __init__(self, name: str = USUAL_NAME) -> None:
        self.name = name
        self._codes: dict[str, int] = {}

    def encoded(self, text: str) -> str:
        """Return a text as hexadecimal codes of the font, four digits a character."""
        return "".join(f"{self._code(character):04X}" for character in text)

    def character_map(self) -> bytes:
        """Return the map from codes to characters (ToUnicode)."""
        mappings = [
            f"<{code:04X}> <{character.encode('utf-16-be', 'surrogatepass').hex().upper()}>"
            for character, code in self._codes.items()
        ]
        blocks = [
            "\n".join([f"{len(part)} beginbfchar", *part, "endbfchar"])
            for start in range(0, len(mappings), _PER_BLOCK)
            for part in [mappings[start : start + _PER_BLOCK]]
        ]
        lines = [
            "/CIDInit /ProcSet findresource begin",
            "12 dict begin",
            "begincmap",
            "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def",
            "/CMapName /Unseen def",
            "/CMapType 2 def",
            "1 begincodespacerange",
            "<0000> <FFFF>",
            "endcodespacerange",
            *blocks,
            "endcmap",
            "CMapName currentdict /CMap defineresource pop",
            "end",
            "end",
        ]
        return "\n".join(lines).encode("ascii")

    def glyphs_of_codes(self) -> bytes:
        """Return which glyph each code shows: always the one that is empty."""
        return b"\0\1" * (len(self._codes) + 1)

    def _code(self, character: str) -> int:
        if character not in self._codes and len(self._codes) >= _MOST_CODES:
            character = _UNKNOWN if _UNKNOWN in self._codes else next(iter(self._codes))
        return self._codes.setdefault(character, len(self._codes) + 1)


def font_file() -> bytes:
    """Return a TrueType font of two glyphs: nothing, and a line without an area.

    pdfium takes the extent of a character from its outline, and finds no text without one that
    runs up or down the page.
    """
    ascent, descent = round(_UNITS * ASCENT), -round(_UNITS * DESCENT)
    width = round(_UNITS * WIDTH)
    glyph = _line_glyph(width, descent, ascent)
    metrics = struct.pack(">HhHh", width, 0, width, 0)
    tables = {
        b"cmap": struct.pack(">HHHHI", 0, 1, 3, 1, 12) + _empty_map(),
        b"glyf": glyph,
        b"head": struct.pack(
            ">IIIIHHqqhhhhHHhhh",
            *(0x00010000, 0x00010000, 0, 0x5F0F3CF5, 3, _UNITS, 0, 0),
            *(0, descent, width, ascent, 0, 8, 2, 0, 0),
        ),
        b"hhea": struct.pack(
            ">IhhhHhhhhhhhhhhhH",
            *(0x00010000, ascent, descent, 0, width, 0, 0, width, 1, 0, 0),
            *(0, 0, 0, 0, 0, 2),
        ),
        b"hmtx": metrics,
        b"loca": struct.pack(">HHH", 0, 0, len(glyph) // 2),
        b"maxp": struct.pack(">IHHHHHHHHHHHHHH", 0x00010000, 2, 3, 1, 0, 0, 1, *[0] * 8),
        b"post": struct.pack(">IIhhIIIII", 0x00030000, 0, 0, 0, 1, 0, 0, 0, 0),
    }
    return _with_checksums(tables)


def font_descriptor(file: str) -> str:
    """Return the description of the font.

    Args:
        file: reference to the font's file.
    """
    return (
        "<< /Type /FontDescriptor /FontName /Unseen /Flags 5 /ItalicAngle 0 /StemV 80 "
        f"/FontBBox [0 {-DESCENT * _UNITS:.0f} {WIDTH * _UNITS:.0f} {ASCENT * _UNITS:.0f}] "
        f"/Ascent {ASCENT * _UNITS:.0f} /Descent {-DESCENT * _UNITS:.0f} "
        f"/CapHeight {ASCENT * _UNITS:.0f} /FontFile2 {file} >>"
    )


def descendant_font(descriptor: str, glyphs: str) -> str:
    """Return the font that `font` is made of.

    Args:
        descriptor: reference to the font's description.
        glyphs: reference to the map from codes to glyphs.
    """
    return (
        "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Unseen "
        "/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> "
        f"/DW {WIDTH * _UNITS:.0f} /FontDescriptor {descriptor} /CIDToGIDMap {glyphs} >>"
    )


def font(descendant: str, characters: str) -> str:
    """Return the font.

    Args:
        descendant: reference to the font it is made of.
        characters: reference to the map from codes to characters.
    """
    return (
        "<< /Type /Font /Subtype /Type0 /BaseFont /Unseen /Encoding /Identity-H "
        f"/DescendantFonts [{descendant}] /ToUnicode {characters} >>"
    )


def _line_glyph(width: int, low: int, high: int) -> bytes:
    """Return a glyph of one contour, up a diagonal and back."""
    flags = b"\1\1\1"  # each point is on the contour, its distances take 2 bytes
    across, up = (0, width, -width), (low, high - low, low - high)
    glyph = struct.pack(">hhhhh", 1, 0, low, width, high) + struct.pack(">HH", 2, 0) + flags
    glyph += struct.pack(">3h3h", *across, *up)
    return glyph + b"\0" * (-len(glyph) % 4)


def _empty_map() -> bytes:
    """Return a character map of format 4 that holds its last, empty segment alone."""
    return struct.pack(">HHHHHHHHHHhH", 4, 24, 0, 2, 2, 0, 0, 0xFFFF, 0, 0xFFFF, 1, 0)


def _with_checksums(tables: dict[bytes, bytes]) -> bytes:
    """Return the file of these tables."""
    count = len(tables)
    power = count.bit_length() - 1
    header = struct.pack(
        ">IHHHH", 0x00010000, count, 16 << power, power, (count << 4) - (16 << power)
    )
    directory, body, offset = b"", b"", 12 + 16 * count
    for name, data in sorted(tables.items()):
        padded = data + b"\0" * (-len(data) % 4)
        directory += struct.pack(">4sIII", name, _checksum(padded), offset + len(body), len(data))
        body += padded
    file = bytearray(header + directory + body)
    adjustment = (0xB1B0AFBA - _checksum(bytes(file))) & 0xFFFFFFFF
    place = file.index(b"head") + 8
    (head,) = struct.unpack_from(">I", file, place)
    struct.pack_into(">I", file, head + 8, adjustment)
    return bytes(file)


def _checksum(data: bytes) -> int:
    return sum(struct.unpack(f">{len(data) // 4}I", data)) & 0xFFFFFFFF
