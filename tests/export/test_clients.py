"""Other people's programs and what was exported: RapidOCR, PaddleX, PaddleOCR itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
import pytest

from export.recognition.samples import rendered_lines
from runtime.images.read import read_image
from runtime.recognition.charset import build_charset
from runtime.recognition.recognizer import Recognizer

PADDLEOCR = os.environ.get("DISTILREC_PADDLEOCR")
PADDLEX_PYTHON = os.environ.get("DISTILREC_PADDLEX_PYTHON")

READ_WITH_PADDLEX = """
import json, sys
from paddlex import create_model
folder, *images = sys.argv[1:]
model = create_model("PP-OCRv3_mobile_rec", model_dir=folder)
texts = [one["rec_text"] for one in model.predict(images, batch_size=1)]
print(json.dumps(texts))
"""


def texts_of_rapidocr(
    model: Path, images: list[Any], widths: list[int], height: int = 32
) -> list[str]:
    """What RapidOCR reads with a model, told to pad each line to the width that this project does.

    By itself it enlarges small images and pads to 320 px or more, both of which a network sees.
    """
    rapidocr = pytest.importorskip("rapidocr")
    texts = [""] * len(images)
    by_width: dict[int, list[int]] = defaultdict(list)
    for position, width in enumerate(widths):
        by_width[width].append(position)
    for width, positions in by_width.items():
        reader = rapidocr.RapidOCR(
            params={
                "Rec.model_path": str(model),
                "Rec.rec_img_shape": [3, height, width],
                "Global.use_preprocess_img": False,
                "Global.log_level": "error",
                "Global.text_score": 0.0,
            }
        )
        for position in positions:
            read = reader(images[position], use_det=False, use_cls=False, use_rec=True)
            texts[position] = read.txts[0] if read.txts else ""
    return texts


def texts_of_paddlex(folder: Path, paths: list[str]) -> list[str]:
    """What PaddleX reads with an inference folder, in an installation of its own."""
    command = [str(PADDLEX_PYTHON), "-c", READ_WITH_PADDLEX, str(folder), *paths]
    environment = {**os.environ, "PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK": "True"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    texts: list[str] = json.loads(done.stdout.splitlines()[-1])
    return texts


def test_rapidocr_reads_the_same_text(small_student, real_lines) -> None:
    model = small_student
    folders = (real_lines / pack / "images" for pack in ("ic15_words", "sroie_receipts"))
    paths = [path for folder in folders for path in sorted(folder.iterdir())[:60]]
    images = [read_image(path) for path in paths]
    with Recognizer(model, device="cpu") as recognizer:
        ours = recognizer(images)
    widths = [result.input_width_px for result in ours]
    theirs = texts_of_rapidocr(model, images, widths)
    assert theirs == [result.text for result in ours]
    assert len(set(theirs)) > 20, "the model must tell lines apart"


@pytest.mark.skipif(PADDLEX_PYTHON is None, reason="DISTILREC_PADDLEX_PYTHON names no Python")
def test_paddlex_reads_the_exported_folder(small_student, tmp_path) -> None:
    """On lines as wide as PaddleX pads to, so that both see the same input."""
    lines, _ = rendered_lines(build_charset("configs/small_dict.txt", use_space_char=True))
    paths = []
    for number, line in enumerate(lines[:32]):
        paths.append(str(tmp_path / f"{number}.png"))
        cv2.imwrite(paths[-1], cv2.resize(line, (320, 32)))
    theirs = texts_of_paddlex(small_student.with_suffix(""), paths)
    with Recognizer(small_student, device="cpu") as recognizer:
        ours = [result.text for result in recognizer(paths)]
    assert theirs == ours
    assert len(set(ours)) > 10


@pytest.mark.slow
@pytest.mark.skipif(PADDLEOCR is None, reason="DISTILREC_PADDLEOCR names no PaddleOCR checkout")
def test_what_paddleocr_saved_and_exported_itself_is_converted(tmp_path) -> None:
    command = [sys.executable, "-m", "benchmarks.parity.export", "--paddleocr", str(PADDLEOCR)]
    command += ["--output-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert set(told) == {"Teacher", "Student", "Teacher, adopted", "Student, adopted"}
    for figures in told.values():
        assert figures["num_equal"] == figures["num_samples"]
        assert figures["max_difference"] <= 1e-4
        assert figures["num_distinct_texts"] > 1, "the network must tell lines apart"
