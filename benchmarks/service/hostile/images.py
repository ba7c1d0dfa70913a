"""Image files that cost a reader far more than their bytes cost the sender."""

from __future__ import annotations

import struct
import zlib

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_MOST_ENTRIES = 2**16 - 1
_LONGEST_RUN = 2**15 - 1
_SHORT, _LONG, _SLONG = 3, 4, 9


def jpeg_fill(num_bytes: int) -> bytes:
    """Return a JPEG's first marker and then `num_bytes` of fill, behind which no marker comes.

    FF before a marker is padding that may be repeated at will (ITU T.81, B.1.1.2).
    """
    return _JPEG_START + b"\xff" * num_bytes


def pnm_newlines(num_bytes: int) -> bytes:
    """Return a PPM whose first number is put off by `num_bytes` of white space and never comes."""
    return b"P6" + b"\n" * num_bytes + b"x"


def jpeg_scans(side: int, scans: int) -> bytes:
    """Return a grey progressive JPEG of side x side px with `scans` scans of all coefficients.

    Each says in a few bytes, by runs of "nothing more in this and the next 32,766 blocks", that
    nothing changes, and makes a decoder go over every block of the image (ITU T.81, G.1.2.2).
    """
    num_blocks = (-(-side // 8)) ** 2
    frame = struct.pack(">BHHB", 8, side, side, 1) + bytes([1, 0x11, 0])
    # Each table has one code, the bit 0: difference 0 for DC, "a run of 2^14 + 14 bits" for AC.
    tables = b"".join(
        _jpeg_segment(0xC4, bytes([place, 1, *bytes(15), symbol]))
        for place, symbol in ((0x00, 0x00), (0x10, 0xE0))
    )
    num_runs = -(-num_blocks // _LONGEST_RUN)
    runs = _bits("0" + "1" * 14, num_runs)
    scan = _jpeg_segment(0xDA, bytes([1, 1, 0x00, 1, 63, 0])) + runs
    return b"".join(
        (
            _JPEG_START,
            _jpeg_segment(0xDB, bytes([0, *[1] * 64])),
            _jpeg_segment(0xC2, frame),
            tables,
            _jpeg_segment(0xDA, bytes([1, 1, 0x00, 0, 0, 0])),
            bytes(-(-num_blocks // 8)),
            scan * (scans - 1),
            _JPEG_END,
        )
    )


def large_png(side: int) -> bytes:
    """Return a grey PNG of side x side black px, a thousandth as long as its image is large."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    row = side + 1  # the filter's number before the pixels
    pixels = _deflated_zeros(row * side, row * max(1, 2**23 // row))
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(*chunk) for chunk in chunks)


def tiff_overlap(directories: int) -> bytes:
    """Return a TIFF of so many directories of 65,535 entries, each 4 bytes behind the one before.

    They lie over one another, so that 1 MB declares a thousand tables of 786 kB.
    """
    span = struct.calcsize("<H") + 12 * _MOST_ENTRIES
    first, step = 8, 4
    data = bytearray(first + step * directories + span)
    data[:first] = b"II*\0" + struct.pack("<I", first)
    for number in range(directories):
        start = first + step * number
        following = start + step if number + 1 < directories else 0
        struct.pack_into("<H", data, start, _MOST_ENTRIES)
        struct.pack_into("<I", data, start + span, following)
    return bytes(data)


def tiff_slong(side: int) -> bytes:
    """Return a grey TIFF of side x side px whose width and height are of type SLONG.

    libtiff takes the signed type for a size; a header reader that knows unsigned ones alone finds
    no size, and with it no reason to refuse the image.
    """
    pixels = _deflated_zeros(side * side, side * max(1, 2**23 // side))
    entries = [(256, _SLONG, side), (257, _SLONG, side), (258, _SHORT, 8), (259, _SHORT, 8)]
    entries += [(262, _SHORT, 1), (273, _LONG, 0), (277, _SHORT, 1), (278, _LONG, side)]
    entries.append((279, _LONG, len(pixels)))
    start = 8 + 2 + 12 * len(entries) + 4
    table = b"".join(
        struct.pack("<HHII", tag, kind, 1, start if tag == 273 else value)
        for tag, kind, value in entries
    )
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    return head + table + bytes(4) + pixels


def _deflated_zeros(num_bytes: int, block: int) -> bytes:
    """Return zlib's form of zeros; a block is packed once and repeated, which takes no time."""
    packer = zlib.compressobj(9)
    first = packer.compress(bytes(block)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(block)) + packer.flush(zlib.Z_FULL_FLUSH)
    num_whole, rest = divmod(num_bytes, block)
    last = packer.compress(bytes(rest)) + packer.flush()
    # A checksum of zeros is known without them (RFC 1950): the first sum stays 1.
    checksum = struct.pack(">I", (num_bytes % 65521) << 16 | 1)
    if num_whole < 1:
        return zlib.compress(bytes(num_bytes), 9)
    return first + again * (num_whole - 1) + last[:-4] + checksum


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def _jpeg_segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def _bits(text: str, count: int) -> bytes:
    """Return `count` times these bits as entropy-coded data, filled up with ones."""
    bits = text * count
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
