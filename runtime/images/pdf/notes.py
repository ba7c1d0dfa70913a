"""Tells whether text lies over a PDF page that is none of its own: filled fields, notes, stamps.

Only the process that opens PDF files imports this.
"""

from __future__ import annotations

import ctypes
from typing import Any

from runtime.images.pdf.rendering import pdfium

_MOST_NOTES = 10_000
_MOST_BYTES = 2**20
_SHOWING = ("Tj", "TJ")
"""How a drawing shows text."""


def has_notes(page: Any) -> bool:
    """Tell whether an annotation of a page shows text; more than 10,000 of them count as such.

    Args:
        page: of pypdfium2.
    """
    raw = pdfium()
    kinds = (raw.FPDF_ANNOT_WIDGET, raw.FPDF_ANNOT_FREETEXT, raw.FPDF_ANNOT_STAMP)
    count = raw.FPDFPage_GetAnnotCount(page)
    if count > _MOST_NOTES:
        return True
    for place in range(count):
        note = raw.FPDFPage_GetAnnot(page, place)
        if not note:
            continue
        try:
            if raw.FPDFAnnot_GetSubtype(note) in kinds and _shows_text(note):
                return True
        finally:
            raw.FPDFPage_CloseAnnot(note)
    return False


def _shows_text(note: Any) -> bool:
    """Tell whether an annotation's drawing shows text, or its field has a value to be drawn."""
    raw = pdfium()
    drawing = _string(
        lambda buffer, length: raw.FPDFAnnot_GetAP(
            note, raw.FPDF_ANNOT_APPEARANCEMODE_NORMAL, buffer, length
        )
    )
    if drawing:
        return any(operator in drawing for operator in _SHOWING)
    return any(
        _string(
            lambda buffer, length, key=key: raw.FPDFAnnot_GetStringValue(note, key, buffer, length)
        ).strip()
        for key in (b"V", b"Contents")
    )


def _string(read: Any) -> str:
    """Return a string that pdfium writes as UTF-16 with a zero behind it, cut at a megabyte."""
    length = read(None, 0)
    if not 2 < length <= _MOST_BYTES:
        return "" if length <= 2 else _SHOWING[0]
    buffer = ctypes.create_string_buffer(length)
    read(ctypes.cast(buffer, ctypes.POINTER(pdfium().FPDF_WCHAR)), length)
    return buffer.raw[:length].decode("utf-16-le", "replace").rstrip("\0")
