"""Turn the attempts of an alternation into measures, failures, and a table of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.measuring.alternation import Attempt
from benchmarks.measuring.result import Failure, Measure, measure

EACH = "images_per_s_each"
"""The figure that is compared: one rate for every timed step of a run, images/s."""


def figures_by_contender(attempts: Sequence[Attempt]) -> dict[str, list[dict[str, Any]]]:
    """Return the figures of each contender's good rounds, contenders by their first attempt."""
    found: dict[str, list[dict[str, Any]]] = {}
    for attempt in attempts:
        rounds = found.setdefault(attempt.contender, [])
        if attempt.figures is not None:
            rounds.append(attempt.figures)
    return found


def speeds(attempts: Sequence[Attempt], group: str, unit: str) -> dict[str, Measure]:
    """Return the speed of each contender over all timed steps of all rounds.

    Args:
        attempts: of `run_in_alternation`.
        group: what was done; measures are called `group / contender / speed`.
        unit: of the rates, `images/s` or `lines/s`.

    Returns:
        Measures by contender, without those that gave no figure.
    """
    return {
        name: measure(
            f"{group} / {name} / speed",
            unit,
            "higher",
            [rate for figures in rounds for rate in figures[EACH]],
        )
        for name, rounds in figures_by_contender(attempts).items()
        if rounds
    }


def failures(
    attempts: Sequence[Attempt], not_run: Mapping[str, str] | None = None, group: str = ""
) -> tuple[Failure, ...]:
    """Return why contenders gave no figure.

    Args:
        attempts: of `run_in_alternation`.
        not_run: contenders that this machine cannot run, with the reason.
        group: stands before the contender's name where it is given.
    """
    prefix = f"{group} / " if group else ""
    failed = [
        Failure(prefix + attempt.contender, attempt.reason, tail=attempt.tail)
        for attempt in attempts
        if attempt.reason is not None
    ]
    absent = [Failure(prefix + name, why, is_absent=True) for name, why in (not_run or {}).items()]
    return (*failed, *absent)


def table(
    attempts: Sequence[Attempt],
    reference: str,
    unit: str,
    columns: Mapping[str, str] | None = None,
    not_run: Mapping[str, str] | None = None,
) -> str:
    """Return aligned lines: median, spread and ratio of each contender, then the failures.

    Args:
        attempts: of `run_in_alternation`.
        reference: the contender whose ratio is 1.
        unit: of the rates.
        columns: more figures to show, of the last good round: figure -> heading.
        not_run: contenders that this machine cannot run, with the reason.
    """
    columns = columns or {}
    rounds = figures_by_contender(attempts)
    rates = speeds(attempts, "", unit)
    base = rates[reference].value if reference in rates else None
    cells = [["", unit, "min-max", f"x {reference}", *columns.values()]]
    for name, rate in rates.items():
        spread = f"{rate.least:.2f}-{rate.most:.2f}"
        ratio = f"{rate.value / base:.2f}" if base else ""
        more = [_format_figure(rounds[name][-1].get(figure)) for figure in columns]
        cells.append([name, f"{rate.value:.2f}", spread, ratio, *more])
    lines = aligned(cells)
    for failure in failures(attempts, not_run):
        state = "not measured" if failure.is_absent else "failed"
        if num_good := len(rounds.get(failure.what, ())):
            state += f" after {num_good} good rounds"
        lines.append(f"{failure.what}: {state}: {failure.reason}")
    return "\n".join(lines)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of equally many cells as lines, the first column to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _format_figure(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
