"""Reads a number of lines or pages in a process of its own, the same ones again; ends in JSON.

    python -m benchmarks.scaling.reader lines --names FILE --number 10000 --threads 2

Model and threads are up, and every image has been read once, before the clock starts.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.measuring.comparison import EACH
from benchmarks.measuring.lines import read_lines
from benchmarks.measuring.memory import peak_memory_mib

LINES, PAGES, SENT = "lines", "pages", "sent"
"""Lines and pages read in this process, and lines that it sends to readers on a cluster."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("what", choices=(LINES, PAGES, SENT))
    add("--names", type=Path, required=True, help="as benchmarks.measuring.lines writes them")
    add("--number", type=int, required=True)
    add("--threads", type=int, required=True)
    add("--model", type=Path, required=True)
    add("--detector", type=Path)
    print(json.dumps(figures_of(parser.parse_args(arguments))))


def figures_of(options: argparse.Namespace) -> dict[str, Any]:
    """Read, and return what one image took.

    Returns:
        images a second; CPU seconds of this process and its memory at the peak; bytes a file.
    """
    names = [line.path for line in read_lines(options.names)]
    with _opened(options) as reader:
        num_failed = sum(result.error is not None for result in reader.stream(names))
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        repeated = itertools.islice(itertools.cycle(names), options.number)
        for result in reader.stream(repeated):
            num_failed += result.error is not None
        wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
        return {
            EACH: [options.number / wall_s],
            "cpu_ms": 1000 * cpu_s / options.number,
            "peak_mib": peak_memory_mib(),
            "file_bytes": sum(map(os.path.getsize, names)) / len(names),
            "failed": num_failed,
        }


def _opened(options: argparse.Namespace) -> Any:
    if options.what == PAGES:
        from runtime.pages.reader import PageReader

        return PageReader(
            detector=options.detector,
            recognizer=options.model,
            device="cpu",
            threads=options.threads,
        )
    if options.what == SENT:
        from runtime.infer.recognition.cluster import ClusterRecognizer

        return ClusterRecognizer(
            options.model, files="shared", threads=options.threads, device="cpu"
        )
    from runtime import Recognizer

    return Recognizer(options.model, device="cpu", threads=options.threads)


if __name__ == "__main__":
    main()
