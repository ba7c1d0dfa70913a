"""Converts the text of a page to what PaddleOCR 3 writes of it.

Source: PaddleX 3, the result of its OCR pipeline (`OCRResult`), as `save_to_json` writes it.
"""

from __future__ import annotations

from typing import Any

from runtime.pages.formats.places import rectangle_around
from runtime.pages.result import PageText, Points

_UPRIGHT, _TURNED = 0, 1
"""Classes of PaddleOCR's orientation of lines."""


def paddleocr_record(page: PageText) -> dict[str, Any]:
    """Convert the text of a page to PaddleOCR's record; its lists go line by line together.

    Lines come in the order of reading, and those without a text too: `dt_polys` holds all that was
    found, the others what was read. `error` is of this project.

    Returns:
        `input_path`, `page_index` from 0, `rec_texts`, `rec_scores`, `rec_polys` as [[x, y], …] and
        `rec_boxes` as [left, top, right, bottom] in whole px, and what else PaddleOCR has there.
    """
    read = [line for line in page.lines if line.text]
    return {
        "input_path": page.source,
        "page_index": None if page.page is None else page.page - 1,
        "model_settings": {"use_doc_preprocessor": False, "use_textline_orientation": True},
        "dt_polys": [_whole(line.points) for line in page.lines],
        "text_type": "general",
        "textline_orientation_angles": [_TURNED if line.is_turned else _UPRIGHT for line in read],
        "text_rec_score_thresh": 0.0,
        "return_word_box": True,
        "rec_texts": [line.text for line in read],
        "rec_scores": [line.confidence for line in read],
        "rec_polys": [_whole(line.points) for line in read],
        "rec_boxes": [list(rectangle_around(line.points)) for line in read],
        "text_word": [[word.text for word in line.words] for line in read],
        "text_word_boxes": [
            [list(rectangle_around(word.points)) for word in line.words] for line in read
        ],
        "error": page.error,
    }


def _whole(points: Points) -> list[list[int]]:
    return [[round(x), round(y)] for x, y in points]
