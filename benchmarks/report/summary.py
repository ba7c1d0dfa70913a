"""Results as Markdown for a README: few figures, each table with its command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.measuring.result import Measure
from benchmarks.report.numbers import shown, spread
from benchmarks.report.page import machine_shown
from benchmarks.report.views import HEADINGS, Entry, bars, by_benchmark, grouped, name_of


def render_summary(entries: Sequence[Entry]) -> str:
    """Render Markdown: a heading for each benchmark, a table and the command of each result."""
    lines: list[str] = []
    for kind, group in by_benchmark(entries).items():
        if kind == "suite":
            continue
        lines.append(f"## {HEADINGS.get(kind, kind.capitalize())}\n")
        for entry in group:
            rows = list(_TABLES.get(kind, _anything)(entry))
            lines.append(f"{name_of(entry)}: {machine_shown(entry.result.machine)}.\n")
            lines += [f"Note: {remark}.\n" for remark in entry.result.remarks]
            lines += [*_table(rows), ""] if len(rows) > 1 else ["No figures.\n"]
            for failure in entry.result.failures:
                state = "not here" if failure.is_absent else "failed"
                lines.append(f"- {failure.what}: {state}: {failure.reason}")
            lines.append(f"\n```\n{entry.command or 'command not recorded'}\n```\n")
    return "\n".join(lines)


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for number, row in enumerate(rows):
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
        if not number:
            yield "|---" * len(row) + "|"


def _accuracy(entry: Entry) -> Iterator[list[str]]:
    yield ["form", "lines", "number", "exact", "any case", "letters and digits", "character errors"]
    for name, form in entry.result.details["forms"].items():
        for pack, row in form["packs"].items():
            number = max(1, row["lines"])
            shares = [row[key] / number for key in ("exact", "any_case", "letters_and_digits")]
            shares.append(row["character_errors"])
            yield [name, pack, str(row["lines"]), *(shown(share, "share") for share in shares)]


def _throughput(entry: Entry) -> Iterator[list[str]]:
    reference = entry.result.details.get("references", {}).get("reading", "")
    yield ["", "lines/s", "min\u2013max", f"x {reference}", "right", "exact", "peak MiB"]
    rows = grouped(entry.result).get("reading", {})
    for bar in bars(rows, "speed", reference):
        row = rows[bar.name]
        ratio = "1" if bar.ratio is None else f"{bar.ratio:.2f}"
        more = [_cell(row, key) for key in ("right", "exact", "peak memory")]
        yield [bar.label, shown(bar.measure.value, "lines/s"), spread(bar.measure), ratio, *more]


def _cell(row: Mapping[str, Measure], key: str) -> str:
    return shown(row[key].value, row[key].unit) if key in row else ""


def _latency(entry: Entry) -> Iterator[list[str]]:
    yield ["engine", "N x W", "engine p50, ms", "p99", "end to end p50, ms", "p99", "lines/s"]
    for name, backend in entry.result.details["backends"].items():
        for cell in backend["cells"]:
            inside, whole = cell["engine"], cell["end_to_end"]
            times = (inside["p50"], inside["p99"], whole["p50"], whole["p99"])
            rate = 1000 * cell["batch"] / whole["p50"]
            shape = f"{cell['batch']} x {cell['width_px']}"
            yield [name, shape, *(shown(time_ms, "ms") for time_ms in times), shown(rate, "")]


def _training(entry: Entry) -> Iterator[list[str]]:
    yield ["", "images/s", "min\u2013max", "x reference"]
    references = entry.result.details.get("references", {})
    for group, rows in grouped(entry.result).items():
        for bar in bars(rows, "speed", references.get(group, "")):
            ratio = "1" if bar.ratio is None else f"{bar.ratio:.2f}"
            name = f"{group}: {bar.label}"
            yield [name, shown(bar.measure.value, "images/s"), spread(bar.measure), ratio]


def _anything(entry: Entry) -> Iterator[list[str]]:
    yield ["figure", "median", "min\u2013max", "unit"]
    for figure in entry.result.measures:
        yield [figure.name, shown(figure.value, figure.unit), spread(figure), figure.unit]


_TABLES = {
    "accuracy": _accuracy,
    "throughput": _throughput,
    "latency": _latency,
    "training": _training,
}
