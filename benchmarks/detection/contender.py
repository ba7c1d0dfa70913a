"""One contender in a process of its own: finds the boxes of all pages, ends in one JSON line.

    python -m benchmarks.detection.contender ours --pages FILE --model FILE --threads 2

The model is loaded and two pages are seen before the clock starts; decoding the images is timed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measuring.comparison import EACH
from export.detection.labels import labels_by_path
from runtime.detection.boxes import BoxOptions
from runtime.detection.preprocess import SizePolicy
from training.detection.labels import read_polygons
from training.detection.metrics import Counts, count_matches

Outlines = list[list[Any]]
Find = Callable[[Sequence[str]], Outlines]

SIZES = SizePolicy(limit_side_len=736, limit_type="min")
BOXES = BoxOptions(thresh=0.3, box_thresh=0.6, max_candidates=1000, unclip_ratio=1.5)
"""What both are told: PaddleOCR 3's."""
_WARM_UP = 2


def ours(options: Namespace) -> Find:
    """Open this project's detector, which reads paths and decodes them itself."""
    from runtime import Detector

    detector = Detector(
        options.model, device="cpu", threads=options.threads, sizes=SIZES, boxes=BOXES
    )
    return lambda paths: [[box.points for box in page.boxes] for page in detector(paths)]


def rapidocr(options: Namespace) -> Find:
    """Open RapidOCR's detector with PaddleOCR's normalisation, which its file was trained with."""
    from rapidocr import RapidOCR
    from rapidocr.utils.load_image import LoadImage

    from runtime.detection.spec import IMAGENET_MEAN, IMAGENET_STD

    logging.disable(logging.INFO)
    settings = RapidOCR(
        params={
            "Det.model_path": str(options.model),
            "Det.limit_side_len": SIZES.limit_side_len,
            "Det.limit_type": SIZES.limit_type,
            "Det.mean": list(IMAGENET_MEAN),
            "Det.std": list(IMAGENET_STD),
            "Det.thresh": BOXES.thresh,
            "Det.box_thresh": BOXES.box_thresh,
            "Det.unclip_ratio": BOXES.unclip_ratio,
            "Det.use_dilation": False,
            "EngineConfig.onnxruntime.intra_op_num_threads": options.threads,
        }
    )
    detector = settings._load_det_model()
    load_image = LoadImage()

    def find(paths: Sequence[str]) -> Outlines:
        found = (detector(load_image(path)).boxes for path in paths)
        return [[] if boxes is None else [box.tolist() for box in boxes] for boxes in found]

    return find


CONTENDERS: dict[str, Callable[[Namespace], Find]] = {"ours": ours, "rapidocr": rapidocr}


def labelled_pages(labels: Path, count: int) -> list[dict[str, Any]]:
    """Read PaddleOCR's label file of detection.

    Args:
        labels: `path<TAB>[{"transcription": …, "points": …}, …]`, paths relative to its folder.
        count: pages at most.

    Returns:
        `path`, `points` and `ignored` of each.
    """
    pages = []
    for path, text in islice(labels_by_path(labels).items(), count):
        polygons = read_polygons(text, path)
        page = {"path": str(Path(path).resolve()), "points": polygons.polys.tolist()}
        pages.append({**page, "ignored": polygons.ignored.tolist()})
    return pages


def scores(pages: Sequence[dict[str, Any]], found: Outlines) -> dict[str, float]:
    """Return precision, recall and their harmonic mean."""
    counts = Counts()
    for page, outlines in zip(pages, found, strict=True):
        detected: list[NDArray[Any]] = [np.asarray(outline) for outline in outlines]
        counts += count_matches(detected, page["points"], page["ignored"])
    return counts.figures()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=CONTENDERS)
    parser.add_argument("--pages", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    pages = json.loads(options.pages.read_text(encoding="utf-8"))
    paths = [page["path"] for page in pages]
    find = CONTENDERS[options.name](options)
    find(paths[:_WARM_UP])
    begin, begin_cpu = time.perf_counter(), time.process_time()
    found = find(paths)
    seconds, cpu_s = time.perf_counter() - begin, time.process_time() - begin_cpu
    digest = hashlib.sha256(b"".join(Path(path).read_bytes() for path in paths))
    figures = {
        EACH: [len(paths) / seconds],
        "cpu_s": cpu_s / len(paths),
        "boxes": sum(map(len, found)),
        "inputs_sha256": digest.hexdigest(),
        **scores(pages, found),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
