"""Findings as lines of a table for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.service.hostile.measure import Finding, Memory

_COLUMNS = (
    ("attack", 17),
    ("images/s before/during/after", 29),
    ("kept", 6),
    ("p50/p99/worst ms", 21),
    ("server MiB", 15),
    ("replicas MiB", 15),
    ("back s", 7),
    ("met", 22),
    ("honest errors", 22),
    ("the attacker got", 0),
)


def table(findings: Sequence[Finding], with_head: bool = True) -> str:
    """Return a line for each finding; memory is that before, at its peak, and after."""
    rows = [tuple(name for name, _ in _COLUMNS)] if with_head else []
    rows += [_cells(finding) for finding in findings]
    return "\n".join(
        " ".join(cell.ljust(width) for cell, (_, width) in zip(row, _COLUMNS, strict=True)).rstrip()
        for row in rows
    )


def _cells(finding: Finding) -> tuple[str, ...]:
    before, during, after = finding.before, finding.during, finding.after
    rates = (phase.images_per_s for phase in (before, during, after))
    waits = (during.p50_ms, during.p99_ms, during.worst_ms)
    missed = [name for name, is_met in finding.met.items() if not is_met]
    back = finding.recovered_after_s
    return (
        finding.attack,
        "/".join(f"{rate:.1f}" for rate in rates),
        f"{100 * finding.share_kept:.0f} %",
        "/".join("-" if wait is None else f"{wait:.0f}" for wait in waits),
        _memory(finding.server),
        _memory(finding.replicas),
        "never" if back is None else f"{back:.1f}",
        "not " + ", ".join(missed) if missed else "yes",
        _counts(during.errors),
        _counts(finding.attacker),
    )


def _memory(memory: Memory) -> str:
    return "/".join(f"{mib:.0f}" for mib in (memory.before, memory.peak, memory.after))


def _counts(counts: dict[str, int]) -> str:
    return " ".join(f"{name}:{count}" for name, count in counts.items() if count) or "-"
