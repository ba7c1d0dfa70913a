"""Width and height in the headers of PBM, PGM, PPM and PAM files, read as OpenCV reads them.

The repetitions of the patterns are possessive (they never backtrack), so that each pattern passes
over the header once.
"""

from __future__ import annotations

import re

HEADER_BYTES = 2**16
"""A header must state the size within this many bytes, comments included."""

# White space and comments. OpenCV skips the byte behind a number, whatever it is; here only white
# space is accepted there, since OpenCV would read the comment behind a `#` as numbers.
_GAP = rb"(?:\s|#[^\r\n]*+[\r\n])*+"
_PNM = re.compile(rb"P[1-6](?=\s)" + _GAP + rb"(\d{1,10}+)\s" + _GAP + rb"(\d{1,10}+)\s")
_PAM_LINE = re.compile(rb"\s*+(?:#[^\r\n]*+|([A-Z]{1,8}+)(?:[ \t]++([^\r\n]*+))?+[ \t]*+)[\r\n]")
_PAM_START = (b"P7\n", b"P7\r")
_MOST_CHANNELS = 4


def netpbm_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height in px of a file that begins with `P1` .. `P7`, None if not stated."""
    head = data[:HEADER_BYTES]
    if head.startswith(b"P7"):
        return _pam_size(head)
    found = _PNM.match(head)
    return (int(found[1]), int(found[2])) if found else None


def _pam_size(head: bytes) -> tuple[int, int] | None:
    """Return the size of a PAM file; also None for a repeated field or too many channels."""
    if not head.startswith(_PAM_START):
        return None
    fields: dict[bytes, int] = {}
    position = len(_PAM_START[0])
    while found := _PAM_LINE.match(head, position):
        position = found.end()
        name, value = found[1], (found[2] or b"").strip()
        if name == b"ENDHDR":
            if not 1 <= fields.get(b"DEPTH", 0) <= _MOST_CHANNELS:
                return None
            return fields.get(b"WIDTH", 0), fields.get(b"HEIGHT", 0)
        if name in (b"WIDTH", b"HEIGHT", b"DEPTH"):
            if name in fields or not value.isdigit() or len(value) > 10:
                return None
            fields[name] = int(value)
    return None
