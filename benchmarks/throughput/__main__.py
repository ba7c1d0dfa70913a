"""Lines a second, accuracy, memory and cold start against a peer, on one ONNX model.

    python -m benchmarks.throughput --peer rapidocr --images DIR_OR_LABELS --count 1000

Each contender runs in a process of its own, in alternation. Images are decoded within the time,
the model is loaded before. Exit status: 0 measured, 2 nothing could be measured.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.alternation import Attempt, Check, Contender, run_in_alternation
from benchmarks.comparison import summarize, table
from benchmarks.machine import (
    PACKAGES,
    ROOT,
    describe_machine,
    git_revision,
    package_versions,
    write_result,
)
from benchmarks.throughput.cold_start import commands, measure_cold_start
from benchmarks.throughput.lines import find_lines, write_lines
from runtime.errors import OcrError
from runtime.sessions.engine_sidecar import sha256_of

PEERS = ("rapidocr",)
_BUNDLED_MODEL = "models/PP-OCRv6_rec_small.onnx"
_COLUMNS = {"right": "right", "network_share": "in network", "peak_mib": "peak MiB"}


def options_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.throughput", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--peer", choices=PEERS, default=PEERS[0])
    parser.add_argument(
        "--images", type=Path, required=True, help="a label file, or a folder of them or of images"
    )
    parser.add_argument("--count", type=int, default=1000, help="lines; default: %(default)s")
    parser.add_argument("--model", type=Path, help="an .onnx file; the peer's own by default")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--cold-starts", type=int, default=5, help="0: none; default: %(default)s")
    parser.add_argument("--timeout", type=float, default=600.0, metavar="S")
    parser.add_argument("--output", type=Path, metavar="FILE", help="everything as JSON")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    options = options_parser().parse_args(arguments)
    try:
        result = compare(options)
        if options.output is not None:
            write_result(options.output, result)
    except OcrError as error:
        print(f"benchmarks.throughput: {error}", file=sys.stderr)
        return 2
    return 0


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """Measure, print the table, and return everything."""
    model = options.model or bundled_model(options.peer)
    lines = find_lines(options.images, options.count)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "lines.json"
        write_lines(file, lines)
        contenders = [_contender(name, file, model) for name in ("ours", options.peer)]
        attempts = run_in_alternation(
            contenders, options.rounds, options.timeout, ROOT, _equal_inputs(), _say
        )
    rows = summarize(attempts, options.peer)
    print(table(rows, options.peer, _COLUMNS))
    cold: dict[str, Any] | None = None
    if options.cold_starts:
        to_run = commands(options.peer, model, Path(lines[0].path))
        cold = measure_cold_start(to_run, options.cold_starts, ROOT, options.peer)
        shown = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in cold["median_s"].items())
        print(f"cold start of one image: {shown}: {cold['ratio']:.2f} x {options.peer}")
    return {
        "machine": describe_machine(),
        "revision": git_revision(),
        "versions": package_versions((*PACKAGES, "onnxruntime", options.peer)),
        "model": {"name": model.name, "sha256": sha256_of(model.read_bytes())},
        "images": options.images.name,
        "lines": len(lines),
        "contenders": {
            row.contender: {
                "median_lines_per_s": row.median,
                "least": row.least,
                "most": row.most,
                "ratio": row.ratio,
                "rounds": row.rounds,
                "reason": row.reason,
                "last_round": dict(row.figures),
            }
            for row in rows
        },
        "cold_start": cold,
    }


def bundled_model(peer: str) -> Path:
    """The recogniser that comes with the peer.

    Raises:
        OcrError: if the peer is not installed.
    """
    found = importlib.util.find_spec(peer)
    if found is None or found.origin is None:
        raise OcrError(f"{peer} is not installed: pip install {peer}")
    return Path(found.origin).parent / _BUNDLED_MODEL


def _contender(name: str, lines: Path, model: Path) -> Contender:
    module = "benchmarks.throughput.contender"
    options = ("--lines", str(lines), "--model", str(model.resolve()))
    return Contender(name, (sys.executable, "-m", module, name, *options))


def _equal_inputs() -> Check:
    """Refuses figures of a run that decoded other pixels than the first."""
    first: list[str] = []

    def check(figures: dict[str, Any]) -> str | None:
        got = figures["inputs_sha256"]
        first.append(got)
        return None if got == first[0] else f"read other pixels: {got[:12]} instead of {first[0]}"

    return check


def _say(attempt: Attempt) -> None:
    said = attempt.reason or f"{attempt.figures['images_per_s_each'][0]:.1f} lines/s"  # type: ignore[index]
    print(f"round {attempt.round}: {attempt.contender}: {said}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
