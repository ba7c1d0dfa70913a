"""Toy networks, and a folder of every kind of file that pages come in."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from tests.runtime.conftest import toy_spec as toy_recognizer_spec
from tests.runtime.conftest import write_toy_model
from tests.runtime.detection.conftest import page_of, toy_spec, write_toy_detector
from tests.runtime.images.pdf import odd_files

PICTURES = 9
NUM_PAGES, NUM_FAILED = PICTURES + 7, 1
"""Of the folder."""


def write_scans(folder: Path) -> Path:
    """Nine pictures, one of them cut short, a TIFF of two pages, PDF files of four and of one."""
    folder.mkdir()
    rng = np.random.default_rng(5)

    def page(number: int) -> np.ndarray:
        bars = [
            (20, top, int(rng.integers(120, 380)), top + 24) for top in range(20, 240, 50 + number)
        ]
        return page_of(260, 400, bars)

    for number in range(PICTURES):
        cv2.imwrite(str(folder / f"picture{number}.png"), page(number))
    cut = folder / "picture3.png"
    cut.write_bytes(cut.read_bytes()[:90])
    cv2.imwritemulti(str(folder / "fax.tif"), [page(1), page(20)])
    told = "BT /F1 24 Tf 50 700 Td (The page {} says what stands in it) Tj ET"
    contents = [told.format(number) for number in range(3)]
    drawn = "0 g 0 0 595 842 re f 1 g 60 500 300 40 re f"
    (folder / "letter.pdf").write_bytes(odd_files.pages(*contents, drawn))
    (folder / "scan.pdf").write_bytes(odd_files.scan((300, 200), height=200, width=300))
    return folder


def write_models(folder: Path) -> tuple[Path, Path]:
    """A detector and a recogniser."""
    folder.mkdir(exist_ok=True)
    detector = write_toy_detector(folder / "detector.onnx", spec=toy_spec())
    return detector, write_toy_model(folder / "reader.onnx", spec=toy_recognizer_spec())
