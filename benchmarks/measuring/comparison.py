"""From the attempts of an alternation to medians, spread and ratios."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.measuring.alternation import Attempt

EACH = "images_per_s_each"
"""The figure that is compared: one rate for every timed step, images/s."""


@dataclass(frozen=True)
class Summary:
    """One contender over all rounds.

    Args:
        contender: its name.
        rounds: rounds that gave figures.
        median, least, most: images/s over all timed steps of all rounds; None where it failed.
        ratio: its median over the reference's; None where either is missing.
        reason: why it failed or was not run.
        figures: those of its last good round, for columns beside the rates.
        is_tried: whether it was run at all.
    """

    contender: str
    rounds: int
    median: float | None
    least: float | None
    most: float | None
    ratio: float | None
    reason: str | None
    figures: Mapping[str, Any]
    is_tried: bool = True


def summarize(
    attempts: Sequence[Attempt], reference: str, not_run: Mapping[str, str] | None = None
) -> list[Summary]:
    """Sum every contender up, in the order of their first attempt; those not run come last.

    Args:
        attempts: of `run_in_alternation`.
        reference: the contender whose ratio is 1.
        not_run: contenders that could not be tried, with the reason.
    """
    names = list(dict.fromkeys(attempt.contender for attempt in attempts))
    rates = {
        name: [
            rate
            for attempt in attempts
            if attempt.contender == name and attempt.figures is not None
            for rate in attempt.figures[EACH]
        ]
        for name in names
    }
    base = statistics.median(rates[reference]) if rates.get(reference) else None
    rows = []
    for name in names:
        own = [attempt for attempt in attempts if attempt.contender == name]
        good = [attempt.figures for attempt in own if attempt.figures is not None]
        median = statistics.median(rates[name]) if rates[name] else None
        rows.append(
            Summary(
                contender=name,
                rounds=len(good),
                median=median,
                least=min(rates[name], default=None),
                most=max(rates[name], default=None),
                ratio=median / base if median is not None and base else None,
                reason=next((one.reason for one in own if one.reason is not None), None),
                figures=good[-1] if good else {},
            )
        )
    return rows + [
        Summary(name, 0, None, None, None, None, reason, {}, is_tried=False)
        for name, reason in (not_run or {}).items()
    ]


def table(rows: Sequence[Summary], reference: str, columns: Mapping[str, str] | None = None) -> str:
    """Aligned lines: median, spread and ratio, or the failure with its reason.

    Args:
        rows: of `summarize`.
        reference: the contender whose ratio is 1.
        columns: more figures to show, figure -> heading.
    """
    columns = columns or {}
    heads = ["", "images/s", "min-max", f"x {reference}", *columns.values()]
    cells = [heads]
    for row in rows:
        if row.median is None:
            continue
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        more = [_shown(row.figures.get(key)) for key in columns]
        cells.append(
            [row.contender, f"{row.median:.2f}", f"{row.least:.2f}-{row.most:.2f}", ratio, *more]
        )
    widths = [max(len(line[index]) for line in cells) for index in range(len(heads))]
    lines = [
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]
    for row in rows:
        if row.reason is not None:
            state = "failed" if row.is_tried else "not measured"
            if row.rounds:
                state += f" after {row.rounds} good rounds"
            lines.append(f"{row.contender}: {state}: {row.reason}")
    return "\n".join(lines)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
