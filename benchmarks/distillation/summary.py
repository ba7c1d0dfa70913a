"""Mean, spread and gain of each arm over its seeds."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from benchmarks.measuring.comparison import aligned
from benchmarks.measuring.result import Measure, measure

GROUP = "distillation"
"""As the names of the figures begin."""
BASELINE = "alone"


@dataclass(frozen=True)
class ArmSummary:
    """One arm over its seeds; shares from 0 to 1.

    Args:
        arm: its name.
        seeds: that are done.
        accuracy, least, most: of the share of lines read exactly: mean and extremes.
        deviation: its standard deviation over seeds; None of one seed.
        best: mean of the best evaluation of each training, which a run stopped there would have
            kept; chosen on the very lines it is measured on, so it flatters a little.
        character_error_rate: mean.
        gain: mean of the difference to the baseline with the same seed; None without one.
        least_gain, most_gain: its extremes.
        by_set: mean share read exactly of each set of lines.
        cost: processor time of a training, as a multiple of the baseline's with the same seed.
    """

    arm: str
    seeds: tuple[int, ...]
    accuracy: float
    least: float
    most: float
    deviation: float | None
    best: float
    character_error_rate: float
    gain: float | None
    least_gain: float | None
    most_gain: float | None
    by_set: dict[str, float]
    cost: float | None

    def as_json(self) -> dict[str, Any]:
        """Return all figures, rounded."""
        return {
            name: round(value, 5) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


def pooled(readings: Mapping[str, Mapping[str, Any]], sets: Sequence[str]) -> dict[str, float]:
    """Return accuracy and character error rate over several sets of lines together."""
    total = {
        key: sum(readings[name][key] for name in sets)
        for key in ("lines", "exact", "edits", "characters")
    }
    return {
        "accuracy": total["exact"] / total["lines"],
        "character_error_rate": total["edits"] / total["characters"],
    }


def summarize(
    results: Mapping[str, Mapping[int, Mapping[str, Any]]], sets: Sequence[str]
) -> list[ArmSummary]:
    """Summarise the arms that have a result, in their order.

    Args:
        results: {arm: {seed: result of a run}}.
        sets: names of the sets of lines that are judged together.
    """
    baseline = results.get(BASELINE, {})
    return [_summary(arm, runs, baseline, sets) for arm, runs in results.items() if runs]


def _summary(
    arm: str,
    runs: Mapping[int, Mapping[str, Any]],
    baseline: Mapping[int, Mapping[str, Any]],
    sets: Sequence[str],
) -> ArmSummary:
    figures = {seed: pooled(run["readings"], sets) for seed, run in runs.items()}
    accuracies = [rates["accuracy"] for rates in figures.values()]
    # Runs of one seed share their random numbers, so gains are taken seed by seed.
    paired = [seed for seed in runs if seed in baseline]
    gains = [
        figures[seed]["accuracy"] - pooled(baseline[seed]["readings"], sets)["accuracy"]
        for seed in paired
    ]
    costs = [
        runs[seed]["training"]["cpu_seconds"] / baseline[seed]["training"]["cpu_seconds"]
        for seed in paired
        if runs[seed]["training"]["cpu_seconds"] and baseline[seed]["training"]["cpu_seconds"]
    ]
    names = next(iter(runs.values()))["readings"]
    return ArmSummary(
        arm=arm,
        seeds=tuple(runs),
        accuracy=statistics.mean(accuracies),
        least=min(accuracies),
        most=max(accuracies),
        deviation=statistics.stdev(accuracies) if len(accuracies) > 1 else None,
        best=statistics.mean(
            max(evaluation["acc"] for evaluation in run["training"]["evaluations"])
            for run in runs.values()
        ),
        character_error_rate=statistics.mean(
            rates["character_error_rate"] for rates in figures.values()
        ),
        gain=statistics.mean(gains) if gains else None,
        least_gain=min(gains, default=None),
        most_gain=max(gains, default=None),
        by_set={
            name: statistics.mean(run["readings"][name]["accuracy"] for run in runs.values())
            for name in names
        },
        cost=statistics.median(costs) if costs else None,
    )


def measures_of(summaries: Sequence[ArmSummary]) -> Iterator[Measure]:
    """Yield the figures of each arm; means over seeds, with the extremes where they are known."""
    for arm in summaries:
        what = f"{GROUP} / {arm.arm}"
        exact = measure(f"{what} / exact", "share", "higher", [arm.accuracy])
        yield replace(exact, least=arm.least, most=arm.most)
        errors = [arm.character_error_rate]
        yield measure(f"{what} / character errors", "share", "lower", errors)
        if arm.gain is not None and arm.least_gain is not None and arm.most_gain is not None:
            gain = measure(f"{what} / gain", "share", "higher", [arm.gain])
            yield replace(gain, least=arm.least_gain, most=arm.most_gain)
        if arm.cost is not None:
            yield measure(f"{what} / cost", "x", "lower", [arm.cost])


def table(
    summaries: Sequence[ArmSummary],
    references: Mapping[str, Mapping[str, Any]],
    sets: Sequence[str],
) -> str:
    """Return the comparison as aligned text, in percent and points, references below."""
    if not summaries and not references:
        return "nothing is done yet"
    by_set = list(summaries[0].by_set if summaries else next(iter(references.values()))["readings"])
    heads = ["", "seeds", "exact", "min-max", "best", "CER", "gain", "min-max", "cost", *by_set]
    rows = [heads]
    for summary in summaries:
        rows.append(
            [
                summary.arm,
                str(len(summary.seeds)),
                f"{summary.accuracy:.1%}",
                f"{summary.least:.1%}-{summary.most:.1%}",
                f"{summary.best:.1%}",
                f"{summary.character_error_rate:.1%}",
                _points(summary.gain),
                f"{_points(summary.least_gain)} {_points(summary.most_gain)}".strip(),
                "" if summary.cost is None else f"{summary.cost:.2f}",
                *(f"{summary.by_set[name]:.1%}" for name in by_set),
            ]
        )
    for name, result in references.items():
        figures = pooled(result["readings"], sets)
        shares = [f"{result['readings'][name]['accuracy']:.1%}" for name in by_set]
        error_rate = f"{figures['character_error_rate']:.1%}"
        rows.append(
            [f"({name})", "", f"{figures['accuracy']:.1%}", "", "", error_rate, "", "", "", *shares]
        )
    return "\n".join(aligned(rows))


def _points(share: float | None) -> str:
    return "" if share is None else f"{100 * share:+.1f}"
