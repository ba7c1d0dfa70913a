"""The sweep as one picture: a heat map and curves for each engine."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from benchmarks.measuring.result import Result
from runtime.files import write_atomically


def draw_latency(result: Result, path: Path) -> None:
    """Write a PNG: for each engine ms a line by batch and width, and percentiles by batch.

    Args:
        result: of `benchmarks.latency`; one without figures draws nothing.
        path: of the picture.
    """
    backends = result.details["backends"]
    if not backends:
        return
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, rows = pyplot.subplots(
        len(backends), 2, figsize=(12, 4.4 * len(backends)), squeeze=False, layout="constrained"
    )
    for (heat, curves), (name, backend) in zip(rows, backends.items(), strict=True):
        title = result.details["titles"].get(name, name)
        _draw_heat(figure, heat, backend["cells"], f"{title}: ms a line, engine only")
        _draw_curves(
            curves, backend["cells"], "ms a batch: engine p50 up to p99; dotted: end to end p50"
        )
    picture = io.BytesIO()
    figure.savefig(picture, dpi=110, format="png")
    pyplot.close(figure)
    write_atomically(path, picture.getvalue())


def _draw_heat(figure: Any, axes: Any, cells: list[dict[str, Any]], title: str) -> None:
    batches = sorted({cell["batch"] for cell in cells})
    widths = sorted({cell["width_px"] for cell in cells})
    times = {(c["batch"], c["width_px"]): c["engine"]["p50"] / c["batch"] for c in cells}
    values = [[times[batch, width] for width in widths] for batch in batches]
    image = axes.imshow(values, cmap="viridis_r", aspect="auto", norm="log")
    middle = (max(map(max, values)) * min(map(min, values))) ** 0.5
    for row, line in enumerate(values):
        for column, value in enumerate(line):
            ink = "white" if value > middle else "black"
            axes.text(column, row, f"{value:.3g}", ha="center", va="center", color=ink)
    axes.set_xticks(range(len(widths)), widths)
    axes.set_yticks(range(len(batches)), batches)
    axes.set(title=title, xlabel="W, px", ylabel="N")
    scale = figure.colorbar(image, ax=axes, format="{x:g}")
    scale.ax.yaxis.set_minor_formatter("{x:.2g}")


def _draw_curves(axes: Any, cells: list[dict[str, Any]], title: str) -> None:
    for width in sorted({cell["width_px"] for cell in cells}):
        own = sorted((c for c in cells if c["width_px"] == width), key=lambda cell: cell["batch"])
        batches = [cell["batch"] for cell in own]
        engine = [cell["engine"]["p50"] for cell in own]
        above = [cell["engine"]["p99"] - cell["engine"]["p50"] for cell in own]
        (line, *_) = axes.errorbar(
            batches,
            engine,
            yerr=[[0] * len(own), above],
            marker="o",
            capsize=3,
            label=f"{width} px",
        )
        whole = [cell["end_to_end"]["p50"] for cell in own]
        axes.plot(batches, whole, ":", color=line.get_color())
    axes.set(title=title, xlabel="N", yscale="log", xscale="log")
    axes.set_xticks(sorted({cell["batch"] for cell in cells}))
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
