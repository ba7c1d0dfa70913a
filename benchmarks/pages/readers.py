"""Who reads pages; each is imported by the process that runs it only, from its own Python."""

from __future__ import annotations

import logging
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

Page = list[dict[str, Any]] | None
"""`text` and `points` of each line in the reader's order; None for a page that it failed on."""
Read = Callable[[Sequence[str]], Iterator[Page]]


def ours(options: Namespace) -> Read:
    """Open this project's reader."""
    reader_class = import_module("runtime.pages.reader").PageReader
    reader = reader_class(detector=options.detector, recognizer=options.recognizer)

    def read(paths: Sequence[str]) -> Iterator[Page]:
        for page in reader.stream(paths):
            lines = [{"text": line.text, "points": line.points} for line in page.lines]
            yield None if page.error is not None else lines

    return read


def rapidocr(options: Namespace) -> Read:
    """Open RapidOCR with its own settings."""
    return _rapidocr(options, options.detector)


def rapidocr_mended(options: Namespace) -> Read:
    """Open RapidOCR with a detector without denormal weights, which it runs faster."""
    from runtime.engines.denormals import without_denormals

    mended = Path(options.scratch) / "mended.onnx"
    mended.write_bytes(without_denormals(options.detector) or options.detector.read_bytes())
    return _rapidocr(options, mended)


def _rapidocr(options: Namespace, detector: Path) -> Read:
    from rapidocr import RapidOCR

    logging.disable(logging.INFO)
    engine = RapidOCR(
        params={
            "Det.model_path": str(detector),
            "Rec.model_path": str(options.recognizer),
            "EngineConfig.onnxruntime.intra_op_num_threads": options.threads,
        }
    )

    def read(paths: Sequence[str]) -> Iterator[Page]:
        for path in paths:
            found: Any = engine(path)
            boxes = [] if found.boxes is None else found.boxes.tolist()
            yield [
                {"text": text, "points": points}
                for text, points in zip(found.txts or (), boxes, strict=True)
            ]

    return read


def faster_paddle(options: Namespace) -> Read:
    """Open faster-paddle, which brings the small models of PP-OCRv6 and knows no others."""
    from faster_paddle import OcrEngine

    engine = OcrEngine(model_size="small", threads=options.threads)

    def read(paths: Sequence[str]) -> Iterator[Page]:
        for path in paths:
            found = engine.ocr(Path(path).read_bytes())
            bounds = sorted(found["bounds"].items(), key=lambda item: int(item[0]))
            yield [_line_of_bound(bound) for _, bound in bounds]

    return read


def _line_of_bound(bound: dict[str, Any]) -> dict[str, Any]:
    """Return a line of faster-paddle, whose boxes have two corners."""
    (left, top), (right, bottom) = (_corner(bound[f"{name}Coord"]) for name in _CORNERS)
    points = [[left, top], [right, top], [right, bottom], [left, bottom]]
    return {"text": bound["text"], "points": points}


_CORNERS = ("topLeft", "bottomRight")


def _corner(found: Any) -> tuple[float, float]:
    x, y = (found["x"], found["y"]) if isinstance(found, dict) else found
    return float(x), float(y)


READERS: dict[str, Callable[[Namespace], Read]] = {
    "ours": ours,
    "rapidocr": rapidocr,
    "rapidocr-mended": rapidocr_mended,
    "faster-paddle": faster_paddle,
}
PACKAGES = {
    "rapidocr": "rapidocr",
    "rapidocr-mended": "rapidocr",
    "faster-paddle": "faster_paddle",
}
"""What a peer's Python has to be able to import."""
