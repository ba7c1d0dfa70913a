"""From results to what the page and the summary show of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measuring.result import Measure, Result
from benchmarks.report.numbers import shown
from benchmarks.throughput.contenders import TITLES

ORDER = ("accuracy", "throughput", "latency", "service", "training", "distillation")
HEADINGS: Mapping[str, str] = {
    "accuracy": "Accuracy",
    "throughput": "Reading speed",
    "latency": "Latency",
    "service": "The service",
    "training": "Training speed",
    "distillation": "Distillation",
    "suite": "The run itself",
}


_PEERS = {
    "rapidocr": "RapidOCR",
    **dict.fromkeys(("paddleocr", "paddleocr-onednn", "paddleocr-onnx"), "PaddleOCR"),
    "paddle": "paddle",
}


@dataclass(frozen=True)
class Entry:
    """A result with its place on the page.

    Args:
        result: as read.
        path: of its file.
        anchor: of its command, which every number of it links to.
    """

    result: Result
    path: Path
    anchor: str

    @property
    def command(self) -> str:
        """The command as it may be typed again."""
        return " ".join(self.result.command)


def name_of(entry: Entry) -> str:
    """Return what the page calls a result: what went in, and beside whom."""
    result, inputs = entry.result, entry.result.inputs
    if result.benchmark == "throughput":
        rows = grouped(result).get("reading", {})
        peers = [_PEERS.get(name, name) for name in rows if name in _PEERS]
        beside = f" beside {' and '.join(dict.fromkeys(peers))}" if peers else ""
        return f"{inputs['model']['name']}{beside}, {inputs['lines']['number']:,} lines"
    if result.benchmark == "accuracy":
        lines = inputs["lines"]
        number = sum(pack["number"] for pack in lines.values())
        forms = result.details["forms"] or inputs["models"]
        return f"{', '.join(forms)} on {number:,} lines of {', '.join(lines)}"
    if result.benchmark == "latency":
        return ", ".join(inputs)
    if result.benchmark == "training" and "classes" in result.settings:
        words = result.settings
        shape = f"batches of {words['batch_size']}, {words['width_px']} px wide"
        more = " and real lines" if "real lines" in grouped(result) else ""
        return f"PP-OCRv2's distillation pair, {shape}, {words['classes']:,} classes{more}"
    name = entry.path.stem.replace("_", " ")
    return name[:1].upper() + name[1:]


@dataclass(frozen=True)
class Bar:
    """One row of a bar chart.

    Args:
        name: of the subject in the result.
        label: who or what, in words.
        measure: its figure.
        share: of the longest bar, 0 .. 1; and where its spread begins and ends.
        ratio: to the reference, None without one.
        is_ours: whether it is this project's.
    """

    name: str
    label: str
    measure: Measure
    share: float
    least: float
    most: float
    ratio: float | None
    is_ours: bool


def by_benchmark(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Group entries by benchmark, in the order of the page; unknown benchmarks come last."""
    kinds = dict.fromkeys(entry.result.benchmark for entry in entries)
    ordered = [
        *(kind for kind in ORDER if kind in kinds),
        *(kind for kind in kinds if kind not in ORDER),
    ]
    return {
        kind: [entry for entry in entries if entry.result.benchmark == kind] for kind in ordered
    }


def grouped(result: Result) -> dict[str, dict[str, dict[str, Measure]]]:
    """Group measures as group -> subject -> quantity -> figure, by the parts of their names.

    A name with other than three parts has the last for its quantity, the first for its group.
    """
    found: dict[str, dict[str, dict[str, Measure]]] = {}
    for figure in result.measures:
        parts = figure.name.split(" / ")
        group, subject = parts[0], " / ".join(parts[1:-1]) or parts[0]
        found.setdefault(group, {}).setdefault(subject, {})[parts[-1]] = figure
    return found


def bars(
    rows: Mapping[str, Mapping[str, Measure]],
    quantity: str,
    reference: str = "",
    titles: Mapping[str, str] | None = None,
) -> list[Bar]:
    """Return bars of one quantity, the longest standing for the largest value with its spread.

    Args:
        rows: subject -> quantity -> figure.
        quantity: which.
        reference: the subject whose ratio is 1.
        titles: subject -> what to call it.
    """
    values = {name: row[quantity] for name, row in rows.items() if quantity in row}
    longest = max((figure.most for figure in values.values()), default=0.0) or 1.0
    base = values[reference].value if reference in values else None
    return [
        Bar(
            name,
            label=_label(name, {**TITLES, **(titles or {})}),
            measure=figure,
            share=figure.value / longest,
            least=figure.least / longest,
            most=figure.most / longest,
            ratio=figure.value / base if base and name != reference else None,
            is_ours=name.startswith("ours"),
        )
        for name, figure in values.items()
    ]


def _label(name: str, titles: Mapping[str, str]) -> str:
    title = titles.get(name, name)
    is_said = not name.startswith("ours") or title.startswith("this project")
    return title if is_said else f"this project: {title.removeprefix('as ours, ')}"


def stages(rows: Mapping[str, Mapping[str, Measure]]) -> list[tuple[str, Measure, float]]:
    """Stage, its figure, and its share of them all."""
    measures = [(stage, next(iter(row.values()))) for stage, row in rows.items()]
    total = sum(figure.value for _, figure in measures) or 1.0
    return [(stage, figure, figure.value / total) for stage, figure in measures]


@dataclass(frozen=True)
class Tile:
    """One figure for the top of the page.

    Args:
        figure: as shown, with its unit.
        what: what it is.
        on: measured on what, against what.
        anchor: of its command.
    """

    figure: str
    what: str
    on: str
    anchor: str


def tiles(entries: Sequence[Entry]) -> list[Tile]:
    """Return the figures for the top of the page, the most telling one of each result."""
    return [tile for entry in entries for tile in _tile(entry)]


def _tile(entry: Entry) -> Iterator[Tile]:
    result, kind = entry.result, entry.result.benchmark
    if kind == "accuracy" and result.details["forms"]:
        form = next(iter(result.details["forms"].values()))
        row = form["packs"]["all"]
        figure = shown(row["exact"] / max(1, row["lines"]), "share")
        yield Tile(
            figure,
            "of lines read exactly",
            f"{row['lines']:,} lines, {form['title']}",
            entry.anchor,
        )
    elif kind in ("throughput", "training"):
        yield from _speed_tile(entry)
    elif kind == "latency":
        for name, backend in result.details["backends"].items():
            cells = [cell for cell in backend["cells"] if cell["batch"] == 1]
            if cells:
                cell = min(cells, key=lambda cell: abs(cell["width_px"] - 320))
                title = result.details["titles"].get(name, name)
                yield Tile(
                    f"{shown(cell['end_to_end']['p50'], 'ms')}\u202fms",
                    "a line, image to text, median",
                    f"{cell['width_px']} px wide, {title}",
                    entry.anchor,
                )
                return


def _speed_tile(entry: Entry) -> Iterator[Tile]:
    result = entry.result
    for group, rows in grouped(result).items():
        reference = result.details.get("references", {}).get(group)
        ours = rows.get("ours", {}).get("speed")
        if ours is None or reference is None:
            continue
        what = "lines a second" if ours.unit == "lines/s" else "training images a second"
        peer = rows.get(reference, {}).get("speed")
        on = str(result.inputs["model"]["name"]) if "model" in result.inputs else group
        if peer is not None and reference != "ours":
            who = _PEERS.get(reference, reference)
            on = f"{ours.value / peer.value:.1f} \u00d7 {who}'s {shown(peer.value, '')}; {on}"
        yield Tile(shown(ours.value, ours.unit), what, on, entry.anchor)
        return


def best_and_worst(cells: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Return least and most ms a line inside the engine of a latency sweep."""
    values = [cell["engine"]["p50"] / cell["batch"] for cell in cells]
    return min(values), max(values)
