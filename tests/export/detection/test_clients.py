"""Other people's programs and the exported detector: RapidOCR, PaddleX."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from export.detection.readings import PageReading
from runtime.detection.detector import Detector
from tests.export.detection.conftest import MEAN, OPTIONS, STD, drawn_pages

PADDLEX_PYTHON = os.environ.get("DISTILREC_PADDLEX_PYTHON")
READ_WITH_PADDLEX = """
import json, sys
from paddlex import create_model
name, folder, *images = sys.argv[1:]
model = create_model(name, model_dir=folder)
results = model.predict(images, batch_size=1)
boxes = [[box.tolist() for box in result["dt_polys"]] for result in results]
print(json.dumps(boxes))
"""


def ours(path: Path, images: list[Any]) -> list[PageReading]:
    with Detector(path, device="cpu") as detector:
        return [PageReading.of([box.points for box in found.boxes]) for found in detector(images)]


def test_rapidocr_finds_the_same_boxes(det_exported: Any) -> None:
    """Told sizes, normalisation and box options, which it does not read from the file."""
    rapidocr = pytest.importorskip("rapidocr")
    path = Path(det_exported[1]["onnx"])
    reader = rapidocr.RapidOCR(
        params={
            "Det.model_path": str(path),
            "Det.limit_side_len": 160,
            "Det.limit_type": "max",
            "Det.mean": list(MEAN),
            "Det.std": list(STD),
            "Det.thresh": OPTIONS.thresh,
            "Det.box_thresh": OPTIONS.box_thresh,
            "Det.unclip_ratio": OPTIONS.unclip_ratio,
            "Det.use_dilation": False,
            "Global.use_preprocess_img": False,
            "Global.log_level": "error",
        }
    )
    images = drawn_pages()
    theirs = []
    for image in images:
        found = reader(image, use_det=True, use_cls=False, use_rec=False).boxes
        theirs.append(PageReading.of([] if found is None else found))
    expected = ours(path, images)
    assert theirs == expected
    assert sum(len(reading.polygons) for reading in expected) == 30


@pytest.mark.skipif(PADDLEX_PYTHON is None, reason="DISTILREC_PADDLEX_PYTHON names no Python")
def test_paddlex_finds_the_same_boxes_in_the_exported_folder(
    det_exported: Any, pages: list[str]
) -> None:
    folder = Path(det_exported[1]["inference"])
    command = [str(PADDLEX_PYTHON), "-c", READ_WITH_PADDLEX, "PP-OCRv5_mobile_det", str(folder)]
    environment = {
        **os.environ,
        "PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK": "True",
        # paddle 3.3 ends with an error of its own when it runs this program by oneDNN.
        "PADDLE_PDX_ENABLE_MKLDNN_BYDEFAULT": "False",
    }
    done = subprocess.run(
        [*command, *pages], env=environment, capture_output=True, text=True, check=True
    )
    theirs = [PageReading.of(boxes) for boxes in json.loads(done.stdout.splitlines()[-1])]
    assert theirs == ours(Path(det_exported[1]["onnx"]), pages)
