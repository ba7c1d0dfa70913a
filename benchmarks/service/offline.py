"""What a recogniser reads in the images, and how fast `runtime.infer` would write it as JSON lines.

    python -m benchmarks.service.offline --model M --lines LINES.json --seconds 20

Prints one JSON object.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measuring.lines import find_lines, read_lines, write_lines
from benchmarks.measuring.machine import ROOT
from benchmarks.measuring.result import Result, named_file
from runtime import Recognizer
from runtime.errors import EngineError
from runtime.infer.recognition.task import Reading
from runtime.infer.records import JsonLinesWriter

_WARM_UP = 16


@dataclass(frozen=True)
class OfflineTexts:
    """The images that clients send, and what a recogniser reads in them offline.

    Args:
        file: their lines, as `write_lines` has written them.
        images: bytes of the files.
        texts: one for each image, None for one that cannot be read.
        inputs: of the result.
    """

    file: Path
    images: list[bytes]
    texts: list[str | None]
    inputs: dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser, count: int) -> None:
    """Add model, images, options of the service and output.

    Args:
        parser: of a command that starts a service.
        count: of images, by default.
    """
    add = parser.add_argument
    add("--model", type=Path, required=True, help="an .onnx file")
    add("--images", type=Path, required=True, help="a label file, or a folder of them or of images")
    add("--count", type=int, default=count, help="different images; default: %(default)s")
    add("--serve", nargs=argparse.REMAINDER, default=[], help="options of runtime.serve; the last")
    add("--output", type=Path, metavar="FILE", help="everything as JSON")


def read_offline(options: argparse.Namespace, scratch: Path) -> OfflineTexts:
    """Read the images that the arguments of `add_arguments` name.

    Args:
        options: of the command line.
        scratch: a folder for the list of lines.

    Raises:
        OcrError: if there are none, or the model cannot read.
    """
    lines = find_lines(options.images, options.count)
    file = scratch / "lines.json"
    write_lines(file, lines)
    return OfflineTexts(
        file,
        [Path(line.path).read_bytes() for line in lines],
        measure_offline(options.model, file, 0.0)["texts"],
        {
            "model": named_file(options.model),
            "images": {"name": options.images.name, "count": len(lines)},
        },
    )


def failed_lines(result: Result) -> Iterator[str]:
    """Yield a line for each failure."""
    for failure in result.failures:
        yield f"FAILED: {failure.what}: {failure.reason}"


def measure_offline(model: Path, lines: Path, seconds: float) -> dict[str, Any]:
    """Run this module and give what it found.

    Args:
        model: the model file.
        lines: as `write_lines` has written it.
        seconds: how long to read the images over and over; 0 for once, to see what stands there.

    Returns:
        `texts`, one for each image, None for one that cannot be read, if `seconds` is 0; else
        `images_per_s`, and `cpu_ms` that an image takes of the CPUs' time.

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


class _Nowhere(io.StringIO):
    """Takes records and keeps none."""

    def write(self, text: str, /) -> int:
        return len(text)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--lines", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()
    images = [Path(line.path).read_bytes() for line in read_lines(options.lines)]
    with Recognizer(options.model) as recognizer:
        if not options.seconds:
            texts = [None if line.error else line.text for line in recognizer(images)]
            print(json.dumps({"texts": texts}))
            return
        recognizer(images[:_WARM_UP])
        begin, num_read = time.perf_counter(), 0
        begin_cpu = time.process_time()
        writer = JsonLinesWriter(Reading(), _Nowhere())
        for recognition in recognizer.stream(itertools.cycle(images)):
            writer.write(recognition)
            num_read += 1
            if time.perf_counter() - begin >= options.seconds:
                break
        seconds = time.perf_counter() - begin
        cpu_ms = 1000 * (time.process_time() - begin_cpu) / num_read
    print(json.dumps({"images_per_s": num_read / seconds, "cpu_ms": cpu_ms}))


if __name__ == "__main__":
    main()
