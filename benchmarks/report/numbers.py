"""Figures as people read them."""

from __future__ import annotations

from benchmarks.measuring.result import Measure


def shown(value: float, unit: str) -> str:
    """Format a figure with as many digits as it deserves, without its unit but for percent.

    Args:
        value: the figure.
        unit: as in `Measure`; a `share` is shown in percent.
    """
    if unit == "share":
        return f"{100 * value:.1f}\u202f%"
    if unit == "lines":
        return f"{value:,.0f}"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 100:
        return f"{value:.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.095 or not size else f"{value:.2g}"


def spread(figure: Measure) -> str:
    """Format least and most; empty when the figure repeats exactly or was taken once."""
    if figure.is_exact or (len(figure.samples) < 2 and figure.least == figure.most):
        return ""
    return f"{shown(figure.least, figure.unit)}\u2013{shown(figure.most, figure.unit)}"


def unit_shown(unit: str) -> str:
    """Return the unit that stands behind a figure formatted by `shown`."""
    return "" if unit in ("share", "lines") else unit
