"""The transforms of PaddleOCR's detection configs, from a label file's line to arrays."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from runtime.errors import DatasetError
from tests.training.detection.pages import draw, page
from training.data.sample import OF_ONE_SAMPLE, Draw, Sample
from training.detection.transforms import TRANSFORMS, problems_of_order, quotient
from training.registry import Problems

ROOT = Path(__file__).parents[3]
NORMALIZE = """
- NormalizeImage: {scale: 1./255., mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225],
    order: hwc}
- ToCHWImage: null
"""
BEGIN = """
- DecodeImage: {img_mode: BGR, channel_first: false}
- DetLabelEncode: null
"""
MAPS = """
- MakeBorderMap: {shrink_ratio: 0.4, thresh_min: 0.3, thresh_max: 0.7, total_epoch: 500}
- MakeShrinkMap: {shrink_ratio: 0.4, min_text_size: 8, total_epoch: 500}
"""
TRAINING = (
    "- KeepKeys: {keep_keys: [image, threshold_map, threshold_mask, shrink_map, shrink_mask]}"
)
EVALUATION = "- KeepKeys: {keep_keys: [image, shape, polys, ignore_tags]}"
V4 = """
- CopyPaste: null
- IaaAugment: {augmenter_args: [{type: Fliplr, args: {p: 0.5}},
    {type: Affine, args: {rotate: [-10, 10]}}, {type: Resize, args: {size: [0.5, 3]}}]}
- EastRandomCropData: {size: [160, 128], max_tries: 50, keep_ratio: true}
"""
V6 = """
- CopyPaste: null
- ColorJitter: {brightness: 0.4, contrast: 0.4, saturation: 0.7, hue: 0.1}
- IaaAugment: {augmenter_args: [{type: Fliplr, args: {p: 0.5}},
    {type: Affine, args: {p: 0.5, rotate: [-45, 45], fit_output: true}},
    {type: Resize, args: {size: [0.1, 2]}}]}
- RandomPerspective: {prob: 0.3, scale: 0.0, shear: 20.0, perspective: 0.001, fit_output: true,
    fill_value: [0, 0, 0]}
- RandomCrop: {size: [160, 128], max_tries: 50, keep_ratio: true}
"""
TRAINED = {
    "v4": BEGIN + V4 + MAPS + NORMALIZE + TRAINING,
    "v6": BEGIN + V6 + MAPS + NORMALIZE + TRAINING,
}
EVALUATED = BEGIN + "- DetResizeForTest: null" + NORMALIZE + EVALUATION


def entries_of(text: str) -> list[tuple[str, Any]]:
    return [
        (name, options or {}) for entry in yaml.safe_load(text) for name, options in entry.items()
    ]


def build(text: str) -> list[Any]:
    problems, found = Problems(), []
    for name, options in entries_of(text):
        component = TRANSFORMS.read_options(name, options, name, problems)
        problems.raise_any()
        assert component is not None
        found.append(component.build())
    assert list(problems_of_order(entries_of(text), False)) == []
    return found


def source(seed: int = 0) -> Sample:
    """A page as a label file has it: encoded, with its boxes as JSON."""
    read = page(seed=seed)
    entries = [
        {"points": np.round(points).tolist(), "transcription": text}
        for points, text in zip(read.values["polys"], read.values["texts"], strict=True)
    ]
    encoded = cv2.imencode(".png", read.image)[1].tobytes()
    return Sample(encoded, json.dumps(entries), f"page {seed}")


def run(transforms: list[Any], seed: int, epoch: int = 0) -> Sample:
    rng = np.random.default_rng([seed, epoch])

    def other_sample() -> Sample:
        other = source(int(rng.integers(5)))
        for transform in transforms[:2]:
            other = transform(other, chance)
        return other

    chance = Draw(rng, other_sample, epoch=epoch)
    sample = source(seed % 5)
    for transform in transforms:
        sample = transform(sample, chance)
    return sample


@pytest.mark.parametrize("config", TRAINED)
def test_a_training_sample_is_five_arrays(config: str) -> None:
    transforms, seen = build(TRAINED[config]), 0
    for seed in range(20):
        sample = run(transforms, seed)
        assert sample.image.shape == (3, 128, 160) and sample.image.dtype == np.float32
        assert list(sample.values) == [
            "threshold_map",
            "threshold_mask",
            "shrink_map",
            "shrink_mask",
        ]
        for array in sample.values.values():
            assert array.shape == (128, 160) and array.dtype == np.float32
            assert 0 <= array.min() <= array.max() <= 1
        seen += sample.values["shrink_map"].any()
        again = run(transforms, seed)
        assert np.array_equal(sample.image, again.image)
        assert np.array_equal(sample.values["shrink_map"], again.values["shrink_map"])
    assert seen > 15


def test_an_evaluation_sample_keeps_its_label() -> None:
    sample = run(build(EVALUATED), 1)
    assert sample.image.shape == (3, 736, 992)
    assert list(sample.values) == ["shape", "polys", "ignore_tags"]
    assert sample.values["shape"].tolist() == [240, 320, 736 / 240, 992 / 320]
    assert sample.values["polys"].shape == (5, 4, 2)


def test_odd_labels_and_images_cost_one_sample() -> None:
    transforms = build(TRAINED["v6"])
    rng = np.random.default_rng(0)
    for number in range(25):
        height, width = rng.integers(1, 80, 2)
        points = rng.normal(0, 10.0 ** rng.integers(0, 6), (3, int(rng.integers(3, 7)), 2))
        entries = [{"points": polygon.tolist(), "transcription": "a"} for polygon in points]
        image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        encoded = cv2.imencode(".png", image)[1].tobytes()
        sample = Sample(encoded, json.dumps(entries), str(number))
        try:
            for transform in transforms:
                sample = transform(sample, draw(number, other=page()))
        except OF_ONE_SAMPLE:
            continue
        assert np.isfinite(sample.image).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (EVALUATED.replace("- DetLabelEncode: null", ""), "expected DetLabelEncode in the list"),
        (
            EVALUATED.replace("DetResizeForTest", "EastRandomCropData"),
            "expected DetResizeForTest in",
        ),
        (TRAINED["v4"].replace("East", "No"), "expected EastRandomCropData or RandomCrop in"),
        (BEGIN + V4 + "- MakeShrinkMap:" + MAPS, "expected MakeBorderMap before MakeShrinkMap"),
        (BEGIN + NORMALIZE + V4, "expected EastRandomCropData before NormalizeImage, got it after"),
        (V4 + BEGIN, "expected DetLabelEncode before CopyPaste, got it after"),
    ],
)
def test_a_list_in_disorder_is_told(text: str, message: str) -> None:
    assert any(message in problem for problem in problems_of_order(entries_of(text), False))


def test_a_sampler_has_no_place() -> None:
    (problem,) = problems_of_order(entries_of(EVALUATED), True)
    assert "take the sampler out" in problem


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("KeepKeys", {"keep_keys": ["image", "label"]}, "expected image, threshold_map"),
        ("NormalizeImage", {"scale": "eval(1)"}, "a quotient such as 1./255., got 'eval(1)'"),
        ("NormalizeImage", {"order": "chw"}, "expected 'hwc', got 'chw'"),
        ("NormalizeImage", {"std": [0, 1, 1]}, "std not 0"),
        ("DetResizeForTest", {"limit_side_len": 0}, "expected a whole number from 1"),
        ("MakeShrinkMap", {"shrink": 0.4}, "did you mean shrink_ratio?"),
        ("CopyPaste", {"limit_paste": 3}, "expected true or false, got 3"),
    ],
)
def test_mistakes_are_named(name: str, options: dict[str, Any], message: str) -> None:
    problems = Problems()
    assert TRANSFORMS.read_options(name, options, name, problems) is None
    assert message in str(problems[0])


def test_a_quotient_is_no_program() -> None:
    assert quotient("1./255.") == 1 / 255
    assert quotient(0.5) == quotient(" 0.5") == 0.5
    with pytest.raises(ValueError):
        quotient("__import__('os')")


def test_keys_that_nothing_makes_are_told() -> None:
    keep = TRANSFORMS.build(
        {"name": "KeepKeys", "keep_keys": ["image", "shape", "polys", "ignore_tags"]}, "x"
    )
    with pytest.raises(DatasetError, match="no transform before KeepKeys makes 'shape'"):
        keep(page(), draw())


def test_workers_need_no_paddle() -> None:
    code = "import sys, training.detection.transforms; assert 'paddle' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
