"""Results as ONE page of HTML that needs nothing else, and as a Markdown summary.

    python -m benchmarks.report [results.json or folder …] [--output page.html] [--markdown FILE]

Exit status: 0 written, 1 written but a result could not be read or tells of a failure, 2 nothing
could be written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measuring.command import command_parser
from benchmarks.measuring.machine import ROOT
from benchmarks.measuring.result import Failure, read_result
from benchmarks.report.page import render_page
from benchmarks.report.summary import render_summary
from benchmarks.report.views import Entry
from runtime.errors import ArtifactError, OcrError
from runtime.files import written_atomically

RESULTS = ROOT / "benchmarks" / "results"


def options_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = command_parser("benchmarks.report", __doc__)
    add = parser.add_argument
    add("results", type=Path, nargs="*", default=[RESULTS], help="default: benchmarks/results")
    add("--output", type=Path, default=Path("output/benchmarks.html"), metavar="HTML")
    add("--markdown", type=Path, metavar="FILE", help="the summary for a README")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    options = options_parser().parse_args(arguments)
    try:
        entries, unreadable = collect(options.results)
        write_report(entries, unreadable, options.output, options.markdown)
    except OcrError as error:
        print(f"benchmarks.report: {error}", file=sys.stderr)
        return 2
    for failure in unreadable:
        print(f"benchmarks.report: left out: {failure.reason}", file=sys.stderr)
    print(f"{options.output}: {len(entries)} results")
    return int(bool(unreadable) or any(entry.result.has_failed for entry in entries))


def collect(paths: Sequence[Path]) -> tuple[list[Entry], list[Failure]]:
    """Read results; what cannot be read becomes a failure that the page shows.

    Args:
        paths: files, or folders whose .json files are taken.

    Raises:
        ArtifactError: if there is no result at all.
    """
    files = [
        file
        for path in paths
        for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])
    ]
    entries: list[Entry] = []
    unreadable: list[Failure] = []
    for file in files:
        try:
            result = read_result(file)
        except ArtifactError as error:
            unreadable.append(Failure(file.name, str(error)))
            continue
        entries.append(Entry(result, file, f"run-{len(entries) + 1}"))
    if not entries:
        where = ", ".join(map(str, paths))
        reason = f"; {unreadable[0].reason}" if unreadable else ""
        raise ArtifactError(
            f"no result to show: expected .json files of python -m benchmarks.… in {where}, got "
            f"{len(unreadable)} that cannot be read{reason}"
        )
    return entries, unreadable


def write_report(
    entries: Sequence[Entry], unreadable: Sequence[Failure], page: Path, summary: Path | None
) -> None:
    """Write the page, and the summary if it has a place.

    Raises:
        OcrError: if a place cannot be written to.
    """
    for path, text in (
        (page, render_page(entries, unreadable)),
        (summary, render_summary(entries) if summary is not None else ""),
    ):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_atomically(path) as stream:
                stream.write(text)


if __name__ == "__main__":
    sys.exit(main())
