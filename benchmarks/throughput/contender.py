"""One contender in a process of its own: reads all lines once and ends in one JSON line.

    python -m benchmarks.throughput.contender ours --lines FILE --model FILE --threads 2

The model is loaded and a few lines are read before the clock starts; decoding the images is timed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.measuring.comparison import EACH
from benchmarks.measuring.lines import LabelledLine, read_lines
from benchmarks.measuring.memory import peak_memory_mib
from benchmarks.measuring.network_clock import NetworkClock
from runtime.recognition.scores import TextScores

Images = Iterable[NDArray[np.uint8]]
Read = Callable[[Sequence[str]], list[str]]
Load = Callable[[Sequence[str]], Images]

_WARM_UP_LINES = 12


@dataclass(frozen=True)
class Opened:
    """A contender, ready to read.

    Args:
        read: paths -> texts.
        load: paths -> the pixels that it reads of them.
        busy_s: seconds in its network so far, where onnxruntime is not what runs it.
    """

    read: Read
    load: Load
    busy_s: Callable[[], float] = lambda: 0.0


def ours(options: argparse.Namespace) -> Opened:
    """Open this project's recogniser, which reads paths and decodes them itself."""
    from runtime import Recognizer, read_image

    recognizer = Recognizer(
        options.model,
        device=options.device,
        precision=options.precision,
        threads=options.threads,
    )

    def read(paths: Sequence[str]) -> list[str]:
        return [line.text for line in recognizer(paths)]

    return Opened(read, lambda paths: map(read_image, paths))


def rapidocr(options: argparse.Namespace) -> Opened:
    """Open RapidOCR's recogniser, which is given all lines at once, as it is fastest."""
    from rapidocr import RapidOCR
    from rapidocr.ch_ppocr_rec import TextRecInput
    from rapidocr.utils.load_image import LoadImage

    from runtime.recognition.session import open_session

    session = open_session(options.model, device="cpu", threads=1)
    height = session.spec.height
    session.close()
    logging.disable(logging.INFO)
    recognizer = RapidOCR(
        params={
            "Rec.model_path": str(options.model),
            "Rec.rec_img_shape": [3, height, 320],
            "EngineConfig.onnxruntime.intra_op_num_threads": options.threads,
        }
    )._load_rec_model()
    load_image = LoadImage()

    def read(paths: Sequence[str]) -> list[str]:
        return list(recognizer(TextRecInput(img=[load_image(path) for path in paths])).txts)

    return Opened(read, lambda paths: map(load_image, paths))


def paddleocr(options: argparse.Namespace, folder: Path | None, onednn: bool = False) -> Opened:
    """Open PaddleOCR's `predict_rec.py`.

    Args:
        options: of the command line.
        folder: the exported folder, which paddle runs; None runs the ONNX file on onnxruntime.
        onednn: `--enable_mkldnn`, PaddleOCR's option to be faster on a CPU.
    """
    import cv2

    from benchmarks.throughput.paddleocr_reader import PaddleOcrReader

    logging.disable(logging.INFO)
    reader = PaddleOcrReader(options.paddleocr, options.model, folder, options.threads, onednn)

    def load(paths: Sequence[str]) -> Images:
        return (np.asarray(cv2.imread(path), dtype=np.uint8) for path in paths)

    return Opened(lambda paths: reader(list(load(paths))), load, lambda: reader.busy_s)


CONTENDERS: dict[str, Callable[[argparse.Namespace], Opened]] = {
    "ours": ours,
    "rapidocr": rapidocr,
    "paddleocr": lambda options: paddleocr(options, options.inference),
    "paddleocr-onednn": lambda options: paddleocr(options, options.inference, onednn=True),
    "paddleocr-onnx": lambda options: paddleocr(options, None),
}


def _sha256_of(images: Images) -> str:
    digest = hashlib.sha256()
    for image in images:
        digest.update(repr(image.shape).encode())
        digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def _accuracy(lines: Sequence[LabelledLine], texts: Sequence[str]) -> dict[str, object]:
    scores = TextScores()
    for line, text in zip(lines, texts, strict=True):
        if line.text is not None:
            scores.add(text, line.text)
    if not scores.num_read:
        return {"right": None}
    return {
        "right": scores.num_alike,
        "exact": scores.num_exact,
        "character_errors": scores.character_error_rate,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("name", choices=(*CONTENDERS, "stages"))
    add("--lines", type=Path, required=True)
    add("--model", type=Path, required=True)
    add("--threads", type=int, required=True)
    add("--device", default="cpu", help="of this project")
    add("--precision", default="auto", help="of this project")
    add("--paddleocr", type=Path)
    add("--inference", type=Path)
    add("--cold", action="store_true", help="read once, without a warm-up or figures")
    options = parser.parse_args(arguments)
    lines = read_lines(options.lines)
    paths = [line.path for line in lines]
    if options.name == "stages":
        print(json.dumps(_stages(options.model, paths)))
        return
    opened = CONTENDERS[options.name](options)
    if options.cold:
        opened.read(paths)
        return
    print(json.dumps(_figures(opened, lines, paths)))


def _figures(
    opened: Opened, lines: Sequence[LabelledLine], paths: Sequence[str]
) -> dict[str, object]:
    opened.read(paths[:_WARM_UP_LINES])
    before_s = opened.busy_s()
    with NetworkClock() as clock:
        start = time.perf_counter()
        texts = opened.read(paths)
        seconds = time.perf_counter() - start
    busy_s = clock.busy_s + opened.busy_s() - before_s
    return {
        EACH: [len(lines) / seconds],
        "peak_mib": peak_memory_mib(),
        "network_share": busy_s / (clock.most_at_once * seconds),
        "network_lanes": clock.most_at_once,
        **_accuracy(lines, texts),
        "lines": len(lines),
        "inputs_sha256": _sha256_of(opened.load(paths)),
    }


def _stages(model: Path, paths: Sequence[str]) -> dict[str, object]:
    from benchmarks.throughput.stages import stage_seconds
    from runtime import read_image

    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch) / "readings.jsonl"
        stage_seconds(model, paths[:_WARM_UP_LINES], output)
        start = time.perf_counter()
        spent = stage_seconds(model, paths, output)
        seconds = time.perf_counter() - start
    return {
        EACH: [len(paths) / seconds],
        "ms_a_line": {stage: 1000 * total_s / len(paths) for stage, total_s in spent.items()},
        "inputs_sha256": _sha256_of(map(read_image, paths)),
    }


if __name__ == "__main__":
    main()
