"""Texts of another page are pasted where there is none."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.training.detection.pages import draw, page, quad
from training.data.sample import Sample
from training.detection.augment.paste import CopyPaste, turned_crop, upright_crop


def empty_page(height: int = 600, width: int = 800) -> Sample:
    sample = page()
    sample.image = np.full((height, width, 3), 60, dtype=np.uint8)
    sample.values["polys"] = quad((700, 20), (100, 20), 0)[np.newaxis]
    sample.values |= {"texts": ["own"], "ignore_tags": np.zeros(1, bool)}
    return sample


@pytest.mark.parametrize("seed", range(5))
def test_pasted_texts_have_their_polygons(seed: int) -> None:
    sample = CopyPaste(objects_paste_ratio=1.0)(empty_page(), draw(seed, other=page(ignored=(2,))))
    polys, texts = sample.values["polys"], sample.values["texts"]
    assert texts[0] == "own" and set(texts[1:]) <= set("0134") and len(texts) >= 3
    assert sample.values["ignore_tags"].shape == (len(polys),) == (len(texts),)
    for polygon, text in zip(polys[1:], texts[1:], strict=True):
        x, y = np.round(polygon.mean(axis=0)).astype(int)
        colour = page().values["polys"][int(text)].mean(axis=0).round().astype(int)
        expected = page().image[colour[1], colour[0]].astype(int)
        assert np.abs(sample.image[y, x].astype(int) - expected).max() < 40


def test_no_text_is_pasted_on_another() -> None:
    sample = empty_page()
    sample.values["polys"] = quad((400, 300), (790, 590), 0)[np.newaxis]
    other = page()
    assert CopyPaste(1.0)(sample, draw(other=other)).values["texts"] == ["own"]
    assert len(CopyPaste(1.0, limit_paste=False)(sample, draw(other=other)).values["texts"]) > 1


def test_a_page_whose_label_is_not_read_yet_will_do() -> None:
    read = page()
    entries = [
        {"points": points.tolist(), "transcription": text}
        for points, text in zip(read.values["polys"], read.values["texts"], strict=True)
    ]
    other = Sample(read.image, json.dumps(entries), "other")
    assert len(CopyPaste(1.0)(empty_page(), draw(other=other)).values["texts"]) > 1


def test_curved_texts_are_not_pasted() -> None:
    other = page()
    other.values["polys"] = np.repeat(other.values["polys"], 2, axis=1)
    assert CopyPaste(1.0)(empty_page(), draw(other=other)).values["texts"] == ["own"]


def test_texts_without_an_inside_are_not_pasted() -> None:
    other = page()
    other.values["polys"][:] = 5.0
    assert CopyPaste(1.0)(empty_page(), draw(other=other)).values["texts"] == ["own"]
    other.values["polys"][:] = quad((0, 0), (1e6, 50), 0)
    assert CopyPaste(1.0)(empty_page(), draw(other=other)).values["texts"] == ["own"]


def test_a_high_crop_is_turned_to_lie() -> None:
    image = page().image
    crop = upright_crop(image, quad((100, 100), (20, 80), 0))
    assert crop is not None and crop.shape == (20, 80, 3)
    turned, mask, corners = turned_crop(crop, 90)
    assert turned.shape[:2] == mask.shape and abs(turned.shape[0] - 80) <= 1
    assert corners.min() >= -1 and mask.mean() > 240
