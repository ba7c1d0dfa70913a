"""Figures as people read them."""

from __future__ import annotations

from benchmarks.measuring.result import Measure


def shown(value: float, unit: str) -> str:
    """A figure with as many digits as it deserves, without its unit but for percent.

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


def spread(one: Measure) -> str:
    """From least to most, empty when the figure repeats exactly or was taken once."""
    if one.is_exact or (len(one.samples) < 2 and one.least == one.most):
        return ""
    return f"{shown(one.least, one.unit)}\u2013{shown(one.most, one.unit)}"


def unit_shown(unit: str) -> str:
    """The unit behind a figure of `shown`."""
    return "" if unit in ("share", "lines") else unit
