"""Writes PDF files, sound and odd ones: `python -m tests.runtime.images.pdf.odd_files FOLDER`."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import cv2
import numpy as np

PAGE = (595, 842)
TEXT = "BT /F1 24 Tf 1 0 0 1 72 700 Tm (Hello wide World) Tj ET"
FONT = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"


def stream(data: bytes, entries: str = "") -> bytes:
    """An object that is a stream."""
    return f"<< {entries} /Length {len(data)} >>\nstream\n".encode() + data + b"\nendstream"


def pdf(objects: Mapping[int, bytes | str], trailer: str = "") -> bytes:
    """A file of these objects, of which 1 is the catalog."""
    data, offsets = bytearray(b"%PDF-1.7\n"), {}
    for number, content in objects.items():
        offsets[number] = len(data)
        body = content.encode("latin-1") if isinstance(content, str) else content
        data += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    count, begin = max(objects) + 1, len(data)
    data += f"xref\n0 {count}\n0000000000 65535 f \n".encode()
    for number in range(1, count):
        data += (
            f"{offsets.get(number, 0):010} 00000 {'n' if number in offsets else 'f'} \n".encode()
        )
    data += f"trailer\n<< /Size {count} /Root 1 0 R {trailer} >>\n".encode()
    return bytes(data) + f"startxref\n{begin}\n%%EOF\n".encode()


def pages(
    *contents: str | bytes,
    box: str = "0 0 595 842",
    entries: str = "",
    resources: str = "",
    more: Mapping[int, bytes | str] | None = None,
    count: int | None = None,
) -> bytes:
    """A file with a page for each content."""
    first = 4
    kids = " ".join(f"{first + 2 * place} 0 R" for place in range(len(contents)))
    objects: dict[int, bytes | str] = {
        1: "<< /Type /Catalog /Pages 2 0 R >>",
        2: f"<< /Type /Pages /Count {len(contents) if count is None else count} /Kids [{kids}] >>",
        3: FONT,
    }
    for place, content in enumerate(contents):
        number = first + 2 * place
        objects[number] = (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [{box}] /Contents {number + 1} 0 R {entries} "
            f"/Resources << /Font << /F1 3 0 R >> {resources} >> >>"
        )
        body = content.encode("latin-1") if isinstance(content, str) else content
        objects[number + 1] = stream(body)
    return pdf({**objects, **(more or {})})


def picture(height: int = 60, width: int = 90) -> np.ndarray:
    """A grey picture that shows where up is."""
    image = np.full((height, width), 230, np.uint8)
    image[height // 6 : height // 3, width // 9 : width // 2] = 0
    return image


def scan(
    box: tuple[int, int] = (90, 60), text: str = "", height: int = 60, width: int = 90
) -> bytes:
    """A page that a picture fills, with text over it."""
    data = bytes(cv2.imencode(".jpg", picture(height, width))[1])
    image = (
        f"/Type /XObject /Subtype /Image /Width {width} /Height {height} /ColorSpace /DeviceGray "
        "/BitsPerComponent 8 /Filter /DCTDecode"
    )
    content = f"q {box[0]} 0 0 {box[1]} 0 0 cm /Im1 Do Q {text}"
    return pages(
        content,
        box=f"0 0 {box[0]} {box[1]}",
        resources="/XObject << /Im1 90 0 R >>",
        more={90: stream(data, image)},
    )


def unpacking(size: int, filters: int = 1) -> bytes:
    """A page whose content unpacks to so many bytes, packed more than once."""
    data = b" " * size
    for _ in range(filters):
        data = zlib.compress(data, 9)
    names = "/FlateDecode " * filters
    objects = {
        1: "<< /Type /Catalog /Pages 2 0 R >>",
        2: "<< /Type /Pages /Count 1 /Kids [4 0 R] >>",
        4: "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R >>",
        5: stream(data, f"/Filter [{names}]"),
    }
    return pdf(objects)


def form_that_draws_itself(levels: int, times: int) -> bytes:
    """Forms each of which draws the next one many times: times to the power of levels."""
    objects: dict[int, bytes | str] = {}
    for level in range(levels):
        entries = (
            "/Type /XObject /Subtype /Form /BBox [0 0 595 842] "
            f"/Resources << /XObject << /X {100 + level + 1} 0 R >> >>"
        )
        objects[100 + level] = stream(b"/X Do " * times, entries)
    objects[100 + levels] = stream(
        b"0 0 m 9 9 l S", "/Type /XObject /Subtype /Form /BBox [0 0 595 842]"
    )
    return pages("/X Do", resources="/XObject << /X 100 0 R >>", more=objects)


def image_of(width: int, height: int, entries: str, data: bytes) -> bytes:
    """A page with an image that says it is so large."""
    head = f"/Type /XObject /Subtype /Image /Width {width} /Height {height} {entries}"
    return pages(
        "q 500 0 0 500 0 0 cm /Im1 Do Q",
        resources="/XObject << /Im1 90 0 R >>",
        more={90: stream(data, head)},
    )


def encrypted() -> bytes:
    """A file that says it is encrypted, with a password that nobody knows."""
    security = (
        "/ID [<00112233445566778899aabbccddeeff> <00112233445566778899aabbccddeeff>] /Encrypt "
        f"<< /Filter /Standard /V 1 /R 2 /O <{'5a' * 32}> /U <{'a5' * 32}> /P -44 >>"
    )
    objects = {
        1: "<< /Type /Catalog /Pages 2 0 R >>",
        2: "<< /Type /Pages /Count 1 /Kids [4 0 R] >>",
        4: "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>",
    }
    return pdf(objects, security)


def loop_of_pages() -> bytes:
    """Pages that are their own parents' parents."""
    return pdf(
        {
            1: "<< /Type /Catalog /Pages 2 0 R >>",
            2: "<< /Type /Pages /Count 3 /Kids [4 0 R 4 0 R 4 0 R] >>",
            4: "<< /Type /Pages /Count 3 /Kids [2 0 R] /Parent 4 0 R >>",
        }
    )


def odd_files() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """More than 300 files that hardly anybody makes on purpose, by name, and what makes them."""
    yield "empty.pdf", partial(bytes, b"")
    yield "signature.pdf", partial(bytes, b"%PDF-1.7\n")
    yield "noise.pdf", partial(bytes, b"%PDF-1.7\n" + np.random.default_rng(0).bytes(5000))
    yield "no_pages.pdf", partial(pages)
    yield "encrypted.pdf", partial(encrypted)
    yield "loop.pdf", partial(loop_of_pages)
    yield "no_catalog.pdf", partial(pdf, {4: "<< /Type /Page >>"})
    for count in (-1, 0, 2, 19_999, 30_000, 2**31 - 1):
        yield f"says_{count}_pages.pdf", partial(pages, TEXT, count=count)
    yield "10000_pages.pdf", partial(pages, *[TEXT] * 10_000)
    boxes = ("0 0 0 0", "0 0 1 1", "0 0 0.001 0.001", "0 0 14400 14400", "0 0 1e9 1e9")
    boxes += ("0 0 1e30 2", "0 0 20000 1", "595 842 0 0", "-500 -500 95 342", "0 0 595", "a b c d")
    boxes += ("nan nan nan nan", "0 0 1 100000", "1e10 1e10 1.00000001e10 1.00000001e10", "")
    for place, box in enumerate(boxes):
        yield f"box_{place}.pdf", partial(pages, TEXT, box=box)
        yield (
            f"scan_box_{place}.pdf",
            partial(pages, TEXT, box="0 0 595 842", entries=f"/CropBox [{box}]"),
        )
    for degrees in (0, 90, 180, 270, 360, -90, 45, 1e9):
        yield f"rotated_{degrees:.0f}.pdf", partial(pages, TEXT, entries=f"/Rotate {degrees:.0f}")
    for unit in (0, -1, 1e9):
        yield f"unit_{unit:.0f}.pdf", partial(pages, TEXT, entries=f"/UserUnit {unit:.0f}")
    for depth in (100, 5000, 500_000):
        nested = "[" * depth + "]" * depth
        yield f"nested_{depth}.pdf", partial(pages, TEXT, entries=f"/Nested {nested}")
        yield f"nested_content_{depth}.pdf", partial(pages, nested + TEXT)
        yield f"states_{depth}.pdf", partial(pages, "q " * depth + TEXT)
    yield "unpacks_100M.pdf", partial(unpacking, 10**8)
    yield "unpacks_twice.pdf", partial(unpacking, 10**9, 2)
    yield "forms.pdf", partial(form_that_draws_itself, 12, 20)
    grey = "/ColorSpace /DeviceGray /BitsPerComponent 8"
    for side in (10**4, 10**5, 2**31 - 1):
        packed = zlib.compress(b"\xff" * 10**6)
        yield (
            f"image_{side}.pdf",
            partial(image_of, side, side, f"{grey} /Filter /FlateDecode", packed),
        )
        yield f"image_short_{side}.pdf", partial(image_of, side, side, grey, b"\xff" * 100)
    for name in ("DCTDecode", "JPXDecode", "JBIG2Decode", "CCITTFaxDecode", "LZWDecode", "Nothing"):
        broken = np.random.default_rng(1).bytes(400)
        yield f"image_{name}.pdf", partial(image_of, 100, 100, f"{grey} /Filter /{name}", broken)
    yield "no_font.pdf", partial(pages, "BT /F9 24 Tf 72 700 Td (Hello wide World) Tj ET")
    yield "huge_font.pdf", partial(pages, "BT /F1 1e20 Tf 72 700 Td (Hello) Tj ET")
    yield "tiny_font.pdf", partial(pages, "BT /F1 0.0001 Tf 72 700 Td (Hello) Tj ET")
    yield (
        "many_letters.pdf",
        partial(pages, "BT /F1 1 Tf 72 700 Td (" + "ab " * 100_000 + ") Tj ET"),
    )
    yield "many_lines.pdf", partial(pages, "0 0 m 500 800 l S " * 200_000)
    yield "hidden.pdf", partial(scan, text="BT 3 Tr /F1 9 Tf 5 5 Td (hidden) Tj ET")
    sound = pages(TEXT, TEXT.replace("Hello", "Second"))
    drawn = scan()
    for base, data in (("text", sound), ("scan", drawn)):
        rng = np.random.default_rng(7)
        for place in range(60):
            length = int(rng.integers(20, len(data)))
            yield f"{base}_cut_{place}.pdf", partial(bytes, data[:length])
        for place in range(70):
            changed = bytearray(data)
            for spot in rng.integers(8, len(data), 1 + place % 20):
                changed[spot] = int(rng.integers(0, 256))
            yield f"{base}_changed_{place}.pdf", partial(bytes, bytes(changed))


def main(folder: Path) -> None:
    """Write all odd files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in odd_files():
        (folder / name).write_bytes(make())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
