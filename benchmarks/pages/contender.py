"""One reader in a process of its own: reads all pages, ends in one JSON line.

    python -m benchmarks.pages.contender ours --pages FILE --detector FILE --recognizer FILE …

The models are loaded and a page is read before the clock starts; decoding the images is timed. It
needs Python and the reader alone, so that a peer may run in an environment of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measuring.comparison import EACH
from benchmarks.measuring.memory import peak_memory_mib
from benchmarks.pages.readers import READERS
from benchmarks.pages.stages import THE_REST, StageClock

_WARM_UP = 1


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser()
    add = parser.add_argument
    add("name", choices=READERS)
    add("--pages", type=Path, required=True, help="a JSON list of paths")
    add("--detector", type=Path, required=True)
    add("--recognizer", type=Path, required=True)
    add("--threads", type=int, required=True)
    add("--stages", action="store_true", help="tell the CPU time in the networks, of one thread")
    options = parser.parse_args(arguments)
    paths = json.loads(options.pages.read_text(encoding="utf-8"))
    keep_to_cpus(options.threads)
    with tempfile.TemporaryDirectory() as scratch:
        options.scratch = scratch
        print(json.dumps(figures_of(options, paths)))


def keep_to_cpus(number: int) -> None:
    """Keep this process to so many CPUs, where the system can: not all readers can be told."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:number])


def figures_of(options: argparse.Namespace, paths: Sequence[str]) -> dict[str, object]:
    """Read pages and return what it took, and what was read."""
    read = READERS[options.name](options)
    list(read(paths[:_WARM_UP]))
    clock = StageClock()
    begin, begin_cpu = time.perf_counter(), time.process_time()
    if options.stages:
        with clock:
            pages = list(read(paths))
    else:
        pages = list(read(paths))
    seconds, cpu_s = time.perf_counter() - begin, time.process_time() - begin_cpu
    # Before the files are hashed: what follows is not the reader's.
    peak_mib = peak_memory_mib()
    digest = hashlib.sha256(b"".join(Path(path).read_bytes() for path in paths))
    networks = {task: spent / len(paths) for task, spent in clock.cpu_s.items()}
    rest = cpu_s / len(paths) - sum(networks.values())
    return {
        EACH: [len(paths) / seconds],
        "cpu_s": cpu_s / len(paths),
        "peak_mib": peak_mib,
        "stages": {**networks, THE_REST: rest} if networks else {},
        "failed": sum(page is None for page in pages),
        "lines": sum(len(page or ()) for page in pages),
        "inputs_sha256": digest.hexdigest(),
        "pages": [page or [] for page in pages],
    }


if __name__ == "__main__":
    main()
