"""A picture of a run: losses and accuracies over its steps."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from runtime.errors import ArtifactError
from runtime.files import write_atomically
from training.loop.logs import METRICS_FILE, read_metrics

CURVES_FILE = "curves.png"


def draw_curves(folder: Path, network: str = "") -> Path | None:
    """Draw `metrics.jsonl` of a run's folder as `curves.png`; None when there is nothing yet.

    Args:
        folder: of the run.
        network: whose figures carry no prefix, empty for one by itself.

    Raises:
        ArtifactError: if the disk refuses.
    """
    records = read_metrics(folder / METRICS_FILE)
    if not records:
        return None
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (losses, accuracies) = pyplot.subplots(1, 2, figsize=(12, 4.5))
    trained = [record for record in records if record["kind"] == "train"]
    evaluated = [record for record in records if record["kind"] == "eval"]
    _draw(losses, trained, lambda name: name == "loss" or name.startswith(("loss_", "dml", "kl_")))
    if any(record["loss"] > 0 for record in trained):
        losses.set_yscale("log")
    losses.set(title="training losses, weighted", xlabel="step")
    named = {"acc": f"{network} acc"} if network else {}
    _draw(accuracies, evaluated, lambda name: name.endswith("acc"), named, marker="o")
    accuracies.set(title="read exactly, evaluation", xlabel="step", ylim=(0, 1))
    for axes in (losses, accuracies):
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8)
    figure.suptitle(str(folder), fontsize=9)
    figure.tight_layout()
    # Written as a whole, so that a full disk leaves the last picture as it was.
    picture = io.BytesIO()
    figure.savefig(picture, dpi=110, format="png")
    pyplot.close(figure)
    path = folder / CURVES_FILE
    try:
        write_atomically(path, picture.getvalue())
    except OSError as error:
        raise ArtifactError(
            f"cannot write {path}: {error.strerror or error}; the checkpoints are whole and the "
            "run is at its end: make room, and resume it to have the picture"
        ) from error
    return path


def _draw(
    axes: Any,
    records: list[dict[str, Any]],
    is_shown: Any,
    labels: Mapping[str, str] = MappingProxyType({}),
    **style: Any,
) -> None:
    names = dict.fromkeys(name for record in records for name in record if is_shown(name))
    for name in names:
        points = [(record["step"], record[name]) for record in records if name in record]
        axes.plot(
            *zip(*points, strict=True),
            label=labels.get(name, name),
            linewidth=1.2,
            markersize=3,
            **style,
        )
