"""Curves as SVG that takes its colours and its font from the page around it."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

_INK, _FAINT, _CLEAR = "#010101", "#020202", "#030303"
_SERIES = tuple(f"#0400{number:02}" for number in range(1, 7))
_COLOURS = {
    _INK: "var(--ink-2)",
    _FAINT: "var(--line)",
    **{colour: f"var(--s{number})" for number, colour in enumerate(_SERIES, start=1)},
}
_SIZE_IN = (4.7, 3.4)
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.size": 10.5,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": _FAINT,
    "ytick.color": _FAINT,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "grid.color": _FAINT,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "lines.linewidth": 1.7,
    "lines.markersize": 4,
}


def latency_curves(cells: Sequence[Mapping[str, Any]], name: str) -> str:
    """Draw ms a batch over N, a curve for each W: solid inside the engine, dotted end to end.

    Args:
        cells: of one engine.
        name: unique on the page.
    """

    def draw(axes: Any) -> None:
        batches = sorted({cell["batch"] for cell in cells})
        widths = sorted({cell["width_px"] for cell in cells})
        for width, colour in zip(widths, _SERIES * len(widths), strict=False):
            own = sorted(
                (cell for cell in cells if cell["width_px"] == width),
                key=lambda cell: cell["batch"],
            )
            x = [cell["batch"] for cell in own]
            engine = [cell["engine"]["p50"] for cell in own]
            slow = [cell["engine"]["p95"] for cell in own]
            axes.fill_between(x, engine, slow, color=colour, alpha=0.14, linewidth=0)
            axes.plot(x, engine, color=colour, marker="o", label=f"{width} px")
            whole = [cell["end_to_end"]["p50"] for cell in own]
            axes.plot(x, whole, color=colour, linestyle=":", linewidth=1.3)
        axes.set(xlabel="lines in a batch", ylabel="ms a batch", xscale="log", yscale="log")
        axes.set_xticks(batches, [str(batch) for batch in batches])
        axes.yaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
        axes.grid(axis="y")
        axes.legend(loc="upper left", ncols=2, handlelength=1.4)

    return _svg(draw, name, "Latency by batch size, one curve for each width")


def reliability(forms: Mapping[str, Mapping[str, Any]], name: str) -> str:
    """Draw the share of exact lines over confidence, a curve for each form.

    Args:
        forms: form -> its details, with `calibration`.
        name: unique on the page.
    """

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color=_FAINT, linestyle="--", linewidth=1.2)
        most = max(
            (group["lines"] for form in forms.values() for group in form["calibration"]["bins"]),
            default=1,
        )
        for number, ((label, form), colour) in enumerate(zip(forms.items(), _SERIES, strict=False)):
            filled = [group for group in form["calibration"]["bins"] if group["lines"]]
            x = [group["confidence"] for group in filled]
            y = [group["exact"] for group in filled]
            # Forms that agree lie upon each other: later ones are narrower and dashed.
            style = "--" if number else "-"
            axes.plot(x, y, color=colour, linestyle=style, linewidth=1.8, label=label)
            sizes = [12 + 90 * group["lines"] / max(1, most) for group in filled]
            axes.scatter(
                x, y, s=[size / (1 + 2 * number) for size in sizes], color=colour, linewidth=0
            )
        axes.set(xlabel="confidence", ylabel="read exactly", xlim=(0, 1.03), ylim=(0, 1.03))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        axes.grid()
        axes.legend(loc="upper left")

    return _svg(draw, name, "Share of lines read exactly, by confidence")


def _svg(draw: Any, name: str, title: str) -> str:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure, axes = pyplot.subplots(figsize=_SIZE_IN, layout="constrained")
        draw(axes)
        picture = io.StringIO()
        figure.savefig(picture, format="svg", transparent=True, metadata={"Date": None})
        pyplot.close(figure)
    return themed(picture.getvalue(), name, title)


def themed(svg: str, name: str, title: str) -> str:
    """Fit an SVG into a page: the page's colours and font, identifiers of its own.

    Args:
        svg: of matplotlib, drawn in the colours that stand for the page's.
        name: put in front of every identifier.
        title: what a screen reader says.
    """
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", body)
    body = re.sub(r"font: ([\d.]+)px [^;\"]+", r"font: \1px var(--sans)", body)
    for colour, variable in _COLOURS.items():
        body = body.replace(colour, variable)
    body = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", body, count=1)
    body = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", body, count=1)
    return body.replace("<svg", f'<svg role="img" aria-label="{title}"', 1)
