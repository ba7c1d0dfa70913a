"""What has changed between two results beyond noise.

    python -m benchmarks.compare BEFORE.json AFTER.json [--allow machine inputs settings]

A figure counts as changed when the ranges of its rounds do not overlap and its median has moved by
more than --threshold; a figure that repeats exactly counts at any difference. Results of different
machines, inputs or settings are refused unless --allow names what may differ.
Exit status: 0 nothing got worse, 1 something did or is gone, 2 nothing could be compared.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measuring.command import command_parser
from benchmarks.measuring.result import Measure, Result, read_result
from runtime.errors import OcrError, ParityError

ALLOWABLE = ("machine", "inputs", "settings")
LONE_SPREAD = 0.10
"""Taken for the spread of a figure that was measured in one round only."""
_VERDICTS = ("worse", "gone", "better", "new", "same")


@dataclass(frozen=True)
class Change:
    """One figure before and after.

    Args:
        name: of the figure.
        before, after: None where a result lacks it.
        ratio: after over before; None without both, or over 0.
        verdict: `worse`, `better`, `same`, `gone` or `new`.
    """

    name: str
    before: Measure | None
    after: Measure | None
    ratio: float | None
    verdict: str


def require_comparable(before: Result, after: Result, allowed: Sequence[str] = ()) -> None:
    """Refuse results of which a difference would say nothing.

    Args:
        before, after: the two.
        allowed: of `ALLOWABLE`: what may differ.

    Raises:
        ParityError: with all that differs and is not allowed to.
    """
    if before.benchmark != after.benchmark:
        raise ParityError(
            f"expected two results of one benchmark, got {before.benchmark} and "
            f"{after.benchmark}; compare like with like"
        )
    # What differs, as the message puts it, of before and of after; empty where nothing does.
    machines = [_machine_text(result.machine) for result in (before, after)]
    found = {
        "machine": machines if before.fingerprint != after.fingerprint else [],
        "inputs": _different(hashes_of(before.inputs), hashes_of(after.inputs)),
        "settings": _different(before.settings, after.settings),
    }
    different = {what: texts for what, texts in found.items() if texts and what not in allowed}
    if different:
        listed = "; ".join(f"{what}: {old} against {new}" for what, (old, new) in different.items())
        raise ParityError(
            f"expected equal {', '.join(ALLOWABLE)}, got different {listed}; measure again alike, "
            f"or add --allow {' '.join(different)}"
        )


def _machine_text(machine: Mapping[str, Any]) -> str:
    gpus = ", ".join(machine.get("gpus") or ["no GPU"])
    return f"{machine['cpus_available']} x {machine['cpu']}, {gpus}"


def _different(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return, of each mapping, the entries in which they differ as text; empty if none does."""
    names = [
        name
        for name in {**before, **after}
        if name not in before or name not in after or before[name] != after[name]
    ]
    texts = [", ".join(f"{name} {side.get(name)}" for name in names) for side in (before, after)]
    return texts if names else []


def hashes_of(inputs: Mapping[str, Any], path: str = "") -> dict[str, str]:
    """Collect every `…sha256` among inputs, by its path; names of files do not matter."""
    found: dict[str, str] = {}
    for key, value in inputs.items():
        if isinstance(value, Mapping):
            found |= hashes_of(value, f"{path}{key}/")
        elif str(key).endswith("sha256"):
            found[f"{path}{key}"] = str(value)
    return found


def changes(before: Result, after: Result, threshold: float) -> list[Change]:
    """Compare every figure of either result; what got worse comes first.

    Args:
        before, after: the two.
        threshold: share by which a median has to move, beyond its noise.
    """
    old = {figure.name: figure for figure in before.measures}
    new = {figure.name: figure for figure in after.measures}
    found = [_change(name, old.get(name), new.get(name), threshold) for name in {**old, **new}]
    return sorted(found, key=lambda change: _VERDICTS.index(change.verdict))


def _change(name: str, before: Measure | None, after: Measure | None, threshold: float) -> Change:
    if before is None or after is None:
        return Change(name, before, after, None, "new" if before is None else "gone")
    ratio = after.value / before.value if before.value else None
    is_up = after.value > before.value
    if not _has_changed(before, after, threshold):
        verdict = "same"
    else:
        verdict = "better" if is_up == (after.better == "higher") else "worse"
    return Change(name, before, after, ratio, verdict)


def _has_changed(before: Measure, after: Measure, threshold: float) -> bool:
    if before.is_exact and after.is_exact:
        return before.value != after.value
    if abs(after.value - before.value) <= threshold * abs(before.value):
        return False
    (least, most), (new_least, new_most) = _range(before), _range(after)
    return new_least > most or new_most < least


def _range(figure: Measure) -> tuple[float, float]:
    """Return where a figure lies; a lone sample has a spread too, only an unknown one."""
    if len(figure.samples) > 1 or figure.least < figure.most:
        return figure.least, figure.most
    half = 0 if figure.is_exact else LONE_SPREAD * abs(figure.value) / 2
    return figure.value - half, figure.value + half


def report_lines(found: Sequence[Change], is_all: bool) -> Iterator[str]:
    """Yield a line for each change, then the number of changes of each kind.

    Args:
        found: as `changes` gives them.
        is_all: whether those that stayed the same are listed too.
    """
    listed = [change for change in found if is_all or change.verdict != "same"]
    width = max((len(change.name) for change in listed), default=0)
    for change in listed:
        ratio = "" if change.ratio is None else f"  x {change.ratio:.3f}"
        yield (
            f"{change.verdict:6}  {change.name.ljust(width)}  {_format_figure(change.before)} -> "
            f"{_format_figure(change.after)}{ratio}"
        )
    counts = {verdict: sum(change.verdict == verdict for change in found) for verdict in _VERDICTS}
    yield ", ".join(f"{number} {verdict}" for verdict, number in counts.items() if number)


def _format_figure(figure: Measure | None) -> str:
    if figure is None:
        return "-"
    spread = f" ({figure.least:.4g}-{figure.most:.4g})" if figure.least < figure.most else ""
    return f"{figure.value:.4g}{spread} {figure.unit}"


def options_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = command_parser("benchmarks.compare", __doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument(
        "--threshold", type=float, default=0.03, help="share that is none; default: %(default)s"
    )
    parser.add_argument(
        "--allow", nargs="+", choices=ALLOWABLE, default=[], help="what may differ between the two"
    )
    parser.add_argument("--all", action="store_true", help="list what stayed the same too")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    options = options_parser().parse_args(arguments)
    try:
        before, after = read_result(options.before), read_result(options.after)
        require_comparable(before, after, options.allow)
    except OcrError as error:
        print(f"benchmarks.compare: {error}", file=sys.stderr)
        return 2
    found = changes(before, after, options.threshold)
    for line in report_lines(found, options.all):
        print(line)
    return int(any(change.verdict in ("worse", "gone") for change in found))


if __name__ == "__main__":
    sys.exit(main())
