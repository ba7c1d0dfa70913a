"""One contender in a process of its own: reads all lines once and ends in one JSON line.

    python -m benchmarks.throughput.contender ours --lines FILE --model FILE

The model is loaded and a few lines are read before the clock starts; decoding the images is timed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.comparison import EACH
from benchmarks.throughput.lines import num_right, read_lines
from benchmarks.throughput.network_clock import NetworkClock

Images = Iterable[NDArray[np.uint8]]
Read = Callable[[Sequence[str]], list[str]]
Load = Callable[[Sequence[str]], Images]

_WARM_UP_LINES = 12


def ours(model: Path) -> tuple[Read, Load]:
    """This project: reads paths, and loads them as it does for that."""
    from runtime import Recognizer, read_image

    recognizer = Recognizer(model, device="cpu")

    def read(paths: Sequence[str]) -> list[str]:
        return [one.text for one in recognizer(paths)]

    return read, lambda paths: map(read_image, paths)


def rapidocr(model: Path) -> tuple[Read, Load]:
    """RapidOCR's recogniser, given all lines at once, which is how it is fastest."""
    from rapidocr import RapidOCR
    from rapidocr.ch_ppocr_rec import TextRecInput
    from rapidocr.utils.load_image import LoadImage

    logging.disable(logging.INFO)
    recognizer = RapidOCR(params={"Rec.model_path": str(model)})._load_rec_model()
    load_image = LoadImage()

    def read(paths: Sequence[str]) -> list[str]:
        return list(recognizer(TextRecInput(img=[load_image(path) for path in paths])).txts)

    return read, lambda paths: map(load_image, paths)


CONTENDERS = {"ours": ours, "rapidocr": rapidocr}


def peak_memory_mib() -> float | None:
    """Most memory that this process has held, in MiB; None where the system does not tell."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    peaks = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return round(int(peaks[0]) / 1024, 1) if peaks else None


def _sha256_of(images: Images) -> str:
    digest = hashlib.sha256()
    for image in images:
        digest.update(repr(image.shape).encode())
        digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", choices=CONTENDERS)
    parser.add_argument("--lines", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    options = parser.parse_args(arguments)
    lines = read_lines(options.lines)
    paths = [line.path for line in lines]
    read, load = CONTENDERS[options.name](options.model)
    read(paths[:_WARM_UP_LINES])
    with NetworkClock() as clock:
        start = time.perf_counter()
        texts = read(paths)
        seconds = time.perf_counter() - start
    figures = {
        EACH: [len(lines) / seconds],
        "peak_mib": peak_memory_mib(),
        "network_share": clock.busy_s / (clock.most_at_once * seconds),
        "network_lanes": clock.most_at_once,
        "right": num_right(lines, texts),
        "lines": len(lines),
        "inputs_sha256": _sha256_of(load(paths)),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
