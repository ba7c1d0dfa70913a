"""What a recogniser reads in the images, and how fast, in a process of its own.

    python -m benchmarks.service.offline --model M --lines LINES.json --seconds 20

Prints one JSON object.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT
from benchmarks.throughput.lines import read_lines
from runtime import Recognizer
from runtime.errors import EngineError


def measure_offline(model: Path, lines: Path, seconds: float) -> dict[str, Any]:
    """Run this module and give what it found.

    Args:
        model: the model file.
        lines: as `write_lines` has written it.
        seconds: how long to read the images over and over.

    Returns:
        `texts`, one for each image, None for one that cannot be read; `images_per_s`; `cpu_ms`
        that an image takes of the CPUs' time.

    Raises:
        EngineError: if it fails.
    """
    command = [sys.executable, "-m", "benchmarks.service.offline", "--model", str(model)]
    command += ["--lines", str(lines), "--seconds", str(seconds)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineError(f"the images cannot be read offline: {done.stderr.strip()[-500:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--lines", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()
    images = [Path(line.path).read_bytes() for line in read_lines(options.lines)]
    with Recognizer(options.model) as recognizer:
        texts = [None if one.error else one.text for one in recognizer(images)]
        begin, num_read = time.perf_counter(), 0
        begin_cpu = time.process_time()
        for _ in recognizer.stream(itertools.cycle(images)):
            num_read += 1
            if time.perf_counter() - begin >= options.seconds:
                break
        seconds = time.perf_counter() - begin
        cpu_ms = 1000 * (time.process_time() - begin_cpu) / num_read
    print(json.dumps({"texts": texts, "images_per_s": num_read / seconds, "cpu_ms": cpu_ms}))


if __name__ == "__main__":
    main()
