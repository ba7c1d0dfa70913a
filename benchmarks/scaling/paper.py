"""What many machines would read a day, worked out from what one machine took; nothing is run.

    python -m benchmarks.scaling.paper scaling.json --write docs/scaling.md

Without `--write` the tables are printed; with it they take the place of what stands between the
marks of the page. Exit status: 0 done, 2 the result lacks a figure or the page its marks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.measuring.command import command_parser
from benchmarks.measuring.result import read_result
from benchmarks.scaling.reader import LINES, PAGES, SENT
from runtime.errors import ArtifactError, OcrError
from runtime.files import write_atomically

_BEGIN, _END = "<!-- figures -->", "<!-- end of figures -->"
_DAY_S = 86_400
_MACHINES, _CPUS = (1, 10, 100, 1000), (16, 64)
_Runs = Mapping[tuple[str, int, int], Mapping[str, float]]
"""What, threads, number -> figures of the run."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    parser = command_parser("benchmarks.scaling.paper", __doc__)
    parser.add_argument("result", type=Path, help="of python -m benchmarks.scaling")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="with marks for the tables")
    options = parser.parse_args(arguments)
    try:
        figures = {measure.name: measure.value for measure in read_result(options.result).measures}
        tables = "\n".join([*cost_table(figures), "", *machine_table(figures)])
        if options.write is None:
            print(tables)
        else:
            _write(options.write, tables)
    except OcrError as error:
        print(f"benchmarks.scaling.paper: {error}", file=sys.stderr)
        return 2
    return 0


def cost_table(figures: Mapping[str, float]) -> Iterator[str]:
    """Yield a row for every number of lines and pages, and of threads."""
    yield "| | threads | number | CPU ms each | a second | peak MiB | slope a decade |"
    yield "|---|---|---|---|---|---|---|"
    runs = _runs(figures)
    slopes = {
        (what, threads, more): value for (what, threads, more), value in _slopes(figures).items()
    }
    for (what, threads, number), run in sorted(runs.items()):
        if what == SENT:
            continue
        slope = slopes.get((what, threads, number))
        yield (
            f"| {what} | {threads} | {number:,} | {run['CPU']:.2f} | {run['speed']:.1f} | "
            f"{run['peak memory']:.0f} | {'' if slope is None else f'{100 * slope:+.1f} %'} |"
        )


def machine_table(figures: Mapping[str, float]) -> Iterator[str]:
    """Yield what machines would read a day, and what that takes of disk, network and head.

    Raises:
        ArtifactError: if no lines were read.
    """
    runs = _runs(figures)
    line, page, sent = (_largest(runs, what) for what in (LINES, PAGES, SENT))
    if line is None:
        raise ArtifactError("no lines in the result: run python -m benchmarks.scaling --lines …")
    yield (
        "| machines | CPUs each | lines a day | read from disk or network, MB/s | CPUs of the "
        "process that sends | pages a day | read, MB/s |"
    )
    yield "|---|---|---|---|---|---|---|"
    for machines in _MACHINES:
        for cpus in _CPUS:
            lines_s = machines * cpus * 1000 / line["CPU"]
            cells = [
                _large(lines_s * _DAY_S),
                f"{lines_s * figures['lines / bytes a file'] / 1e6:.1f}",
            ]
            cells.append(f"{lines_s * sent['CPU'] / 1000:.2f}" if sent else "not measured")
            if page:
                pages_s = machines * cpus * 1000 / page["CPU"]
                megabytes = pages_s * figures["pages / bytes a file"] / 1e6
                cells += [_large(pages_s * _DAY_S), f"{megabytes:.1f}"]
            else:
                cells += ["not measured"] * 2
            yield f"| {machines:,} | {cpus} | {' | '.join(cells)} |"
    if sent:
        most = line["CPU"] / sent["CPU"]
        yield ""
        yield (
            f"One process that sends, on one CPU, keeps {most:,.0f} CPUs reading lines: that is "
            "the first limit."
        )


def _runs(figures: Mapping[str, float]) -> dict[tuple[str, int, int], dict[str, float]]:
    runs: dict[tuple[str, int, int], dict[str, float]] = {}
    for name, value in figures.items():
        parts = name.split(" / ")
        if len(parts) == 4 and parts[2].isdecimal():
            place = parts[0], int(parts[1].removesuffix(" threads")), int(parts[2])
            runs.setdefault(place, {})[parts[3]] = value
    return runs


def _slopes(figures: Mapping[str, float]) -> dict[tuple[str, int, int], float]:
    slopes = {}
    for name, value in figures.items():
        if name.endswith("/ slope a decade"):
            what, threads, numbers, _ = name.split(" / ")
            more = int(numbers.rpartition(" to ")[2])
            slopes[what, int(threads.removesuffix(" threads")), more] = value
    return slopes


def _largest(runs: _Runs, what: str) -> Mapping[str, float] | None:
    """Return the run of the most images with the most threads."""
    places = [(threads, number) for kind, threads, number in runs if kind == what]
    return runs[what, *max(places)] if places else None


def _large(number: float) -> str:
    return f"{number / 1e9:.2f} G" if number >= 1e9 else f"{number / 1e6:.1f} M"


def _write(page: Path, tables: str) -> None:
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as error:
        raise ArtifactError(f"cannot read {page}: {error.strerror}; check the path") from error
    if _BEGIN not in text or _END not in text:
        raise ArtifactError(
            f"{page} has no place for the tables: expected the lines {_BEGIN} and {_END}, got "
            "none; add them"
        )
    before, _, rest = text.partition(_BEGIN)
    after = rest.partition(_END)[2]
    content = f"{before}{_BEGIN}\n\n{tables}\n\n{_END}{after}"
    write_atomically(page, content.encode())


if __name__ == "__main__":
    sys.exit(main())
