"""Curves of every run and the gains, in one picture."""

from __future__ import annotations

import io
from pathlib import Path

from benchmarks.measuring.result import Result
from runtime.files import write_atomically


def draw(result: Result, output: Path) -> None:
    """Draw the share of lines read exactly over the steps, a colour an arm, and its end by arm.

    Args:
        result: of the comparison; its details hold `runs` and `summary`.
        output: the PNG file.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (curves, ends) = pyplot.subplots(1, 2, figsize=(12, 4.5))
    summaries = result.details["summary"]
    arms = [summary["arm"] for summary in summaries]
    colours = {arm: f"C{index}" for index, arm in enumerate(arms)}
    # To the left a curve for each run, to the right a bar for each arm.
    for run in result.details["runs"]:
        points = [
            (evaluation["step"], 100 * evaluation["acc"])
            for evaluation in run["training"]["evaluations"]
        ]
        curves.plot(*zip(*points, strict=True), color=colours[run["arm"]], marker="o", markersize=3)
    for arm, colour in colours.items():
        curves.plot([], [], color=colour, label=arm)
    curves.set(title="the Student while it trains, a line a seed", xlabel="step")
    curves.set_ylabel("validation lines read exactly, %")
    curves.legend()
    for index, summary in enumerate(summaries):
        middle, least, most = (100 * summary[key] for key in ("accuracy", "least", "most"))
        spread = [[middle - least], [most - middle]]
        ends.bar(index, middle, yerr=spread, capsize=6, color=colours[summary["arm"]])
        ends.text(index, most + 0.5, f"{middle:.1f}", ha="center")
    ends.set_xticks(range(len(arms)), arms)
    ends.set(title="at the end: mean, least and most over seeds")
    for axes in (curves, ends):
        axes.grid(alpha=0.3)
    figure.tight_layout()
    picture = io.BytesIO()
    figure.savefig(picture, dpi=110, format="png")
    pyplot.close(figure)
    write_atomically(output, picture.getvalue())
