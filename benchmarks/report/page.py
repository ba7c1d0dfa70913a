"""The page: one HTML file with everything inside."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from benchmarks.measuring.result import Failure
from benchmarks.report.charts import latency_curves, reliability
from benchmarks.report.numbers import shown, spread, unit_shown
from benchmarks.report.views import (
    HEADINGS,
    Bar,
    Entry,
    bars,
    best_and_worst,
    by_benchmark,
    grouped,
    name_of,
    stages,
    tiles,
)
from runtime.errors import OcrError

_TEMPLATES = Path(__file__).parent / "templates"
_STAGE_COLOURS = {
    "decode": "s3",
    "resize": "s5",
    "normalise": "s2",
    "network": "s1",
    "ctc": "s4",
    "output": "s6",
}


def render_page(entries: Sequence[Entry], unreadable: Sequence[Failure] = ()) -> str:
    """Render the whole page.

    Args:
        entries: the results, in any order.
        unreadable: files that were to be shown and could not be read.

    Raises:
        OcrError: if Jinja is not installed.
    """
    try:
        import jinja2
        from markupsafe import Markup
    except ImportError as error:
        raise OcrError(
            "the page is laid out by Jinja, which is not installed: pip install 'distilrec[dev]'"
        ) from error
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.ChainableUndefined,
    )
    environment.filters.update(
        shown=shown,
        spread=spread,
        unit_shown=unit_shown,
        bars=bars,
        grouped=grouped,
        stages=stages,
        thread_bars=_thread_bars,
        heat=_heat,
        machine=machine_shown,
        name=name_of,
        flat=_flat,
        paths=_paths,
        curves=lambda cells, name: Markup(latency_curves(cells, name)),
        reliability=lambda entry: Markup(
            reliability(entry.result.details["forms"], f"{entry.anchor}-reliability")
        ),
        colour=lambda stage: _STAGE_COLOURS.get(stage, "s6"),
        picture=_picture,
        has_pictures=_has_pictures,
        truth=lambda pair: Markup("").join(_mark_differences(Markup, pair, is_label=True)),
        reading=lambda pair: Markup("").join(_mark_differences(Markup, pair, is_label=False)),
    )
    # The suite only tells which steps ran; its failures are shown, it has no section.
    shown_entries = [entry for entry in entries if entry.result.benchmark != "suite"]
    times = [entry.result.time[:10] for entry in entries if entry.result.time]
    return environment.get_template("page.html").render(
        title="Benchmarks of distilrec",
        style=Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8")),
        entries=entries,
        sections=by_benchmark(shown_entries),
        heading=lambda kind: HEADINGS.get(kind, kind.capitalize()),
        tiles=tiles(shown_entries),
        failures=_failures(entries, unreadable),
        machines="; ".join(dict.fromkeys(machine_shown(entry.result.machine) for entry in entries)),
        newest=max(times, default=""),
        warnings=list(_warnings(entries)),
    )


def _warnings(entries: Sequence[Entry]) -> Iterator[str]:
    """Yield what a reader has to know before believing any figure."""
    busy = [entry for entry in entries if any("busy" in remark for remark in entry.result.remarks)]
    if busy:
        yield (
            f"{len(busy)} of {len(entries)} results were taken while the machine was busy with "
            "something else. Their times mislead; what was read and how well does not."
        )
    if any(entry.result.settings.get("size") == "quick" for entry in entries):
        yield "This was a quick run, of one round and few lines: a look, not figures to quote."


def _failures(
    entries: Sequence[Entry], unreadable: Sequence[Failure]
) -> list[tuple[Entry | None, list[str], Failure]]:
    """Group failures of one entry by reason, failed before absent: entry, names, first failure."""
    found: dict[tuple[str, str], tuple[Entry | None, list[str], Failure]] = {}
    pairs: list[tuple[Entry | None, Failure]] = [(None, failure) for failure in unreadable]
    pairs += [(entry, failure) for entry in entries for failure in entry.result.failures]
    for entry, failure in pairs:
        key = (entry.anchor if entry else "", failure.reason)
        found.setdefault(key, (entry, [], failure))[1].append(failure.what)
    return sorted(found.values(), key=lambda row: row[2].is_absent)


def machine_shown(machine: Mapping[str, Any]) -> str:
    """Describe a machine in one line."""
    gpus = ", ".join(machine.get("gpus") or []) or "no GPU"
    cpus = machine["cpus_available"]
    memory = f", {machine['memory_gib']:g} GiB" if machine.get("memory_gib") else ""
    return f"{machine['cpu']}, {cpus} CPU{'s' if cpus != 1 else ''}{memory}, {gpus}"


def _thread_bars(groups: Mapping[str, Any], threads: int) -> list[Bar]:
    """Return bars of this project with few threads up to all of them."""
    rows = {f"ours {number}": row for number, row in groups["threads"].items()}
    every = groups.get("reading", {}).get("ours")
    if every:
        rows[f"ours {threads}"] = every
    titles = {
        name: f"this project, {count} thread{'s' if count != '1' else ''}"
        for name, count in ((name, name.removeprefix("ours ")) for name in rows)
    }
    return bars(rows, "speed", next(iter(rows)), titles)


def _heat(cells: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Lay out the heat map's rows; colour follows the logarithm, so equal ratios look equal."""
    least, most = best_and_worst(cells)
    span = math.log(most / least) or 1.0
    by_shape = {(cell["batch"], cell["width_px"]): cell for cell in cells}
    batches = sorted({batch for batch, _ in by_shape})
    widths = sorted({width for _, width in by_shape})
    rows = []
    for batch in batches:
        row = []
        for width in widths:
            batch_ms = by_shape[batch, width]["engine"]["p50"]
            heat = round(100 * math.log(batch_ms / batch / least) / span)
            row.append({"line_ms": batch_ms / batch, "batch_ms": batch_ms, "heat": heat})
        rows.append({"batch": batch, "cells": row})
    return {"widths": widths, "rows": rows}


def _picture(entry: Entry, name: str | None) -> str | None:
    """Return a PNG beside the result as a data URI; None where there is none."""
    path = entry.path.parent / name if name else None
    if path is None or not path.is_file():
        return None
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


def _has_pictures(entry: Entry, form: Mapping[str, Any]) -> bool:
    return any(_picture(entry, line["picture"]) for line in form["worst"])


def _mark_differences(markup: Any, pair: tuple[str, str], is_label: bool) -> Iterator[Any]:
    """Yield label or reading in pieces, those that differ from the other marked."""
    label, text = pair
    for kind, start, end, other_start, other_end in SequenceMatcher(
        None, label, text, autojunk=False
    ).get_opcodes():
        part = label[start:end] if is_label else text[other_start:other_end]
        if not part:
            continue
        tag = "ins" if is_label else "del"
        yield (
            markup(f"<{tag}>{{}}</{tag}>").format(part) if kind != "equal" else markup.escape(part)
        )


def _flat(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _paths(inputs: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    """Flatten nested entries to pairs of a path `a / b` and text."""
    found: list[tuple[str, str]] = []
    for key, value in inputs.items():
        name = f"{before} / {key}" if before else str(key)
        found += _paths(value, name) if isinstance(value, Mapping) else [(name, _flat(value))]
    return found
