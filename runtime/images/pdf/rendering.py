"""Renders a page with pdfium, at the size that follows from the page alone.

Only the process that opens PDF files imports this.
"""

from __future__ import annotations

import math
from functools import cache
from importlib import import_module
from itertools import islice
from typing import Any, NamedTuple

from runtime.errors import ImageError

POINTS_PER_INCH = 72
PX_PER_INCH = 300
"""Of a page that is no scan: PaddleOCR's detectors and recognisers take lines of 20 to 60 px, and
10 pt are 42 px then."""

LEAST_PX_PER_INCH, MOST_PX_PER_INCH = 36, 600
"""A scan is rendered at its own resolution within these."""

SCAN_SHARE = 0.5
"""Of a page's area that images cover, from which on it counts as a scan."""

_MOST_SIDE_PX = 32_000
_FEWER = 0.98
_WELL_SMALLER = 0.9
_MOST_OBJECTS = 2000
_MOST_DEPTH = 4


@cache
def pdfium() -> Any:
    """Return the functions of pdfium."""
    return import_module("pypdfium2.raw")


class Geometry(NamedTuple):
    """Where a page's points are in the rendered image.

    Args:
        width_px, height_px: of the image.
        px_per_inch: of the image.
        wanted_px_per_inch: what it would be without a limit.
        matrix: from points of the page, y up, to px of the image, y down: x' = a x + c y + e,
            y' = b x + d y + f.
        image_share: of the page's area that images cover.
    """

    width_px: int
    height_px: int
    px_per_inch: float
    wanted_px_per_inch: float
    matrix: tuple[float, float, float, float, float, float]
    image_share: float

    def answer(self) -> dict[str, Any]:
        """Return what is told of it."""
        warnings = []
        if self.px_per_inch < self.wanted_px_per_inch * _WELL_SMALLER:
            warnings.append(
                f"shrunk: rendered at {_shown(self.px_per_inch)} px per inch, "
                f"{self.wanted_px_per_inch:.0f} wanted, because of the largest image allowed; "
                "small text may be missed"
            )
        return {
            "width_px": self.width_px,
            "height_px": self.height_px,
            "px_per_inch": self.px_per_inch,
            "matrix": self.matrix,
            "is_scan": self.image_share >= SCAN_SHARE,
            "warnings": warnings,
        }


def _shown(px_per_inch: float) -> str:
    """Write a resolution; what is rounded to 0 would say nothing."""
    if px_per_inch < 0.1:
        return "less than 0.1"
    return f"{px_per_inch:.0f}" if px_per_inch >= 10 else f"{px_per_inch:.2g}"


def geometry_of(page: Any, px_per_inch: float | None, max_pixels: int) -> Geometry:
    """Decide at which size a page is rendered.

    Args:
        page: of pypdfium2.
        px_per_inch: as asked; None for a scan's own resolution, else `PX_PER_INCH`.
        max_pixels: of the image; a larger one is made smaller.

    Raises:
        ImageError: if the page has no area.
    """
    width, height = page.get_size()
    if not (0 < width < math.inf and 0 < height < math.inf):
        raise ImageError(f"a page without an area: {width:g} x {height:g} points; save it again")
    share, own = _images(page, width * height)
    if px_per_inch is None:
        px_per_inch = PX_PER_INCH
        if share >= SCAN_SHARE:
            px_per_inch = min(max(own, LEAST_PX_PER_INCH), MOST_PX_PER_INCH)
    scale = px_per_inch / POINTS_PER_INCH
    scale = min(scale, _MOST_SIDE_PX / max(width, height))
    scale = min(scale, math.sqrt(max_pixels / width / height))
    # Both sides are rounded up to whole px.
    while math.ceil(width * scale) * math.ceil(height * scale) > max_pixels:
        scale *= _FEWER
        if scale * max(width, height) < 1:
            raise ImageError(
                f"a page of {width:g} x {height:g} points does not fit {max_pixels} px"
            )
    width_px, height_px = math.ceil(width * scale), math.ceil(height * scale)
    matrix = _matrix(page.get_bbox(), page.get_rotation(), scale)
    return Geometry(width_px, height_px, scale * POINTS_PER_INCH, px_per_inch, matrix, share)


def pixels_of(page: Any, geometry: Geometry) -> memoryview:
    """Render a page on white; return BGR uint8 [h, w, 3] in a row."""
    raw, size = pdfium(), (geometry.width_px, geometry.height_px)
    bitmap = import_module("pypdfium2").PdfBitmap.new_native(*size, raw.FPDFBitmap_BGR)
    bitmap.fill_rect((255, 255, 255, 255), 0, 0, *size)
    raw.FPDF_RenderPageBitmap(bitmap, page, 0, 0, *size, 0, raw.FPDF_ANNOT)
    if page.formenv is not None:
        raw.FPDF_FFLDraw(page.formenv, bitmap, page, 0, 0, *size, 0, raw.FPDF_ANNOT)
    return memoryview(bitmap.to_numpy().reshape(-1))


def _images(page: Any, area: float) -> tuple[float, float]:
    """Return the share of the page that images cover, and the largest one's px per inch."""
    share = largest = resolution = 0.0
    objects = page.get_objects(filter=[pdfium().FPDF_PAGEOBJ_IMAGE], max_depth=_MOST_DEPTH)
    for image in islice(objects, _MOST_OBJECTS):
        try:
            left, bottom, right, top = image.get_bounds()
            width_px, height_px = image.get_px_size()
        except import_module("pypdfium2").PdfiumError:
            continue
        covered = min((right - left) * (top - bottom), area)
        if not covered > 0:
            continue
        share += covered / area
        if covered > largest:
            largest = covered
            resolution = math.sqrt(width_px * height_px / covered) * POINTS_PER_INCH
    return min(share, 1.0), resolution


def _matrix(
    box: tuple[float, float, float, float], degrees: int, scale: float
) -> tuple[float, float, float, float, float, float]:
    """Return the way from points of the page to px, for a page turned clockwise."""
    left, bottom, right, top = box
    if degrees == 90:
        return (0, scale, scale, 0, -bottom * scale, -left * scale)
    if degrees == 180:
        return (-scale, 0, 0, scale, right * scale, -bottom * scale)
    if degrees == 270:
        return (0, -scale, -scale, 0, top * scale, right * scale)
    return (scale, 0, 0, -scale, -left * scale, top * scale)
