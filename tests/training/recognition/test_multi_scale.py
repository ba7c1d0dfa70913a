"""Data sections with a sampler: what batches hold, and every mistake in them."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from runtime.errors import ConfigError
from runtime.recognition.charset import Charset
from training.config import load_config
from training.data.build import DataPart, build_data, read_data
from training.data.loader import Loader
from training.data.planned import Size
from training.data.sample import Sample
from training.loop.parallel import Group
from training.plan import read_plan
from training.recognition.inputs import resize_of
from training.recognition.task import RecognitionTask
from training.registry import Problems
from training.task import Batch

TASK = RecognitionTask(Charset(tuple("abcdef")), 8)
SAMPLER = {
    "name": "MultiScaleSampler",
    "scales": [[320, 32], [320, 48], [320, 64]],
    "first_bs": 6,
    "fix_bs": False,
    "divided_factor": [8, 16],
    "is_training": True,
}
KEEP_KEYS = ["image", "label_ctc", "label_gtc", "length", "valid_ratio"]
TRANSFORMS: list[dict[str, Any]] = [
    {"DecodeImage": {"img_mode": "BGR", "channel_first": False}},
    {
        "RecConAug": {
            "prob": 0.5,
            "ext_data_num": 2,
            "image_shape": [48, 320, 3],
            "max_text_length": 8,
        }
    },
    {"RecAug": None},
    {"MultiLabelEncode": {"gtc_encode": "NRTRLabelEncode"}},
    {"KeepKeys": {"keep_keys": KEEP_KEYS}},
]
"""Of the recognition configs of PP-OCRv4 to v6, but for the longest text."""
RENDERED = {"name": "SyntheticDataSet", "count": 30}
LINES = {f"{number}.png": text for number, text in enumerate(["a", "bcd", "ef", "abcde"] * 5)}


def section(dataset: Mapping[str, Any], width_step: int = 32, **sampler: Any) -> dict[str, Any]:
    return copy.deepcopy(
        {
            "dataset": {**dataset, "ext_op_transform_idx": 1, "transforms": TRANSFORMS},
            "sampler": {**SAMPLER, **sampler},
            "loader": {
                "shuffle": True,
                "batch_size_per_card": 6,
                "drop_last": True,
                "num_workers": 0,
                "width_step": width_step,
            },
        }
    )


def of_files(file: Path, **options: Any) -> dict[str, Any]:
    return {
        "name": "MultiScaleDataSet",
        "data_dir": str(file.parent),
        "label_file_list": [str(file)],
        "ds_width": False,
        **options,
    }


def built(given: Mapping[str, Any]) -> DataPart:
    problems = Problems()
    plan = read_data(given, "Train", RecognitionTask, problems)
    problems.raise_any()
    assert plan is not None
    return build_data(plan, TASK, seed=3)


def batches(part: DataPart, epoch: int = 0) -> list[tuple[Size, Batch]]:
    made = []
    for planned in part.batching.plan(epoch):
        samples = part.dataset.load_batch(planned, epoch)
        assert all(isinstance(sample, Sample) for sample in samples)
        assert planned.size is not None
        batch = part.batching.training_batch(samples, Group(), planned.size)  # type: ignore[arg-type]
        made.append((planned.size, batch))
    return made


def test_heights_are_the_batches_and_widths_follow_the_lines(
    write_lines: Callable[..., Path],
) -> None:
    file = write_lines(LINES)
    for dataset in (RENDERED, of_files(file), {**of_files(file), "name": "SimpleDataSet"}):
        part = built(section(dataset))
        made = batches(part)
        shapes = [batch.arrays["image"].shape for _, batch in made]
        assert [shape[2] for shape in shapes] == [size.height for size, _ in made]
        assert {32, 48, 64} == {shape[2] for shape in shapes}
        assert all(shape[3] % 32 == 0 and shape[3] <= 320 for shape in shapes)
        assert len({shape[3] for shape in shapes}) > 1
        for size, batch in made:
            assert len(batch.names) == {32: 6, 48: 4, 64: 3}[size.height]
            assert list(batch.arrays) == KEEP_KEYS
            assert batch.arrays["label_gtc"].shape[1] == 8


def test_a_batch_is_a_function_of_epoch_and_place() -> None:
    first, again = built(section(RENDERED)), built(section(RENDERED))
    assert first.batching.plan(2) == again.batching.plan(2) != first.batching.plan(1)
    planned = first.batching.plan(2)[3]
    with Loader(first.dataset, 0) as alone, Loader(again.dataset, 2) as many:
        (expected,) = alone.load([planned], 2)
        for loaded in many.load([planned, planned], 2):
            for sample, known in zip(loaded, expected, strict=True):
                assert isinstance(sample, Sample) and isinstance(known, Sample)
                assert np.array_equal(sample.image, known.image)


def paddleocr_image(image: NDArray[np.uint8], size: Size) -> tuple[NDArray[np.float32], float]:
    """`resize_norm_img` of `MultiScaleDataSet`, written anew from its description."""
    resized_width = min(size.width, math.ceil(size.height * (image.shape[1] / image.shape[0])))
    resized = cv2.resize(image, (resized_width, size.height)).astype("float32").transpose(2, 0, 1)
    padded = np.zeros((3, size.height, size.width), np.float32)
    padded[:, :, :resized_width] = (resized / 255 - 0.5) / 0.5
    return padded, min(1.0, resized_width / size.width)


@pytest.mark.parametrize("ds_width", [False, True])
def test_without_steps_batches_are_paddleocrs(
    ds_width: bool, write_lines: Callable[..., Path], make_line: Callable[..., Any]
) -> None:
    given = section(of_files(write_lines(LINES), ds_width=ds_width), width_step=0)
    given["dataset"]["transforms"][1:3] = []
    made = batches(built(given))
    assert [len(batch.names) for _, batch in made].count(4) == len(made) // 3
    for size, batch in made:
        assert batch.arrays["image"].shape[2:] == (size.height, size.width)
        assert size.width == 320 or (ds_width and size.width % size.height == 0)
        for row, name in enumerate(batch.names):
            number = int(Path(name).stem)
            expected, valid_ratio = paddleocr_image(make_line(40 + 10 * number, seed=number), size)
            np.testing.assert_array_equal(batch.arrays["image"][row], expected)
            assert batch.arrays["valid_ratio"][row] == np.float32(valid_ratio)
    if ds_width:
        assert len({size.width / size.height for size, _ in made}) > 2


def test_width_and_height_may_stand_behind_the_text(write_lines: Callable[..., Path]) -> None:
    file = write_lines({"a.png": "ab\t40\t24", "b.png": "cd\t50\t24", "c.png": "e\tf"})
    part = built(section(of_files(file, ds_width=True)))
    assert [part.dataset.source.text(index, 0) for index in range(3)] == ["ab", "cd", "e\tf"]
    assert part.report.as_json()["kept"] == 2


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        ({"sampler": None}, "Train.sampler", "expected a mapping with a name"),
        ({"sampler": {"name": "RatioSampler"}}, "Train.sampler.name", "MultiScaleSampler"),
        ({"sampler": {**SAMPLER, "scale": 1}}, "Train.sampler.scale", "did you mean scales"),
        ({"samplr": SAMPLER}, "Train.samplr", "did you mean sampler"),
    ],
)
def test_mistakes_in_a_section_are_named(change: dict[str, Any], path: str, message: str) -> None:
    problems = Problems()
    assert read_data({**section(RENDERED), **change}, "Train", RecognitionTask, problems) is None
    assert any(problem.path == path and message in problem.message for problem in problems), (
        problems
    )


def test_a_multi_scale_data_set_needs_a_sampler(write_lines: Callable[..., Path]) -> None:
    given = section(of_files(write_lines(LINES)))
    del given["sampler"]
    problems = Problems()
    assert read_data(given, "Train", RecognitionTask, problems) is None
    assert problems[0].path == "Train.dataset.name" and "Train.sampler" in problems[0].message
    assert "expected RecResizeImg or SVTRRecResizeImg" in problems[1].message


def test_evaluation_takes_no_sampler_and_a_sampler_no_resizing() -> None:
    problems = Problems()
    assert read_data(section(RENDERED), "Eval", RecognitionTask, problems) is None
    assert problems[0].path == "Eval.sampler" and "only Train" in problems[0].message
    given = section(RENDERED)
    given["dataset"]["transforms"].insert(4, {"RecResizeImg": {"image_shape": [3, 48, 320]}})
    problems = Problems()
    assert read_data(given, "Train", RecognitionTask, problems) is None
    assert "take RecResizeImg out" in problems[0].message


@pytest.mark.parametrize(("height", "is_right"), [(48, True), (40, False)])
def test_the_deployed_height_is_one_of_the_scales(
    height: int, is_right: bool, write_config: Callable[..., Path]
) -> None:
    changes = {
        "Train.sampler": {**SAMPLER, "scales": [[320, 32], [320, 48]]},
        "Train.dataset.transforms": [
            {"DecodeImage": None},
            {"CTCLabelEncode": None},
            {"KeepKeys": {"keep_keys": ["image", "label", "length"]}},
        ],
        "Eval.dataset.transforms.2.RecResizeImg.image_shape": [3, height, 320],
    }
    config = load_config(write_config("run", changes))
    if is_right:
        read_plan(config)
        return
    with pytest.raises(ConfigError, match="expected the training height 32 or 48, got 40"):
        read_plan(config)


def test_evaluation_averages_no_lines_that_a_sampler_does_not(
    write_config: Callable[..., Path],
) -> None:
    shape = "Eval.dataset.transforms.2.RecResizeImg"
    averaged = {f"{shape}.interpolation": "area"}
    with pytest.raises(ConfigError, match="the interpolation that is trained with, bilinear, got"):
        read_plan(load_config(write_config("run", averaged)))
    of_train = {"Train.dataset.transforms.2.RecResizeImg.interpolation": "area"}
    plan = read_plan(load_config(write_config("run", averaged | of_train)))
    assert resize_of(plan.train) == resize_of(plan.evaluation) == "area"
    changes = {
        "Train.sampler": {**SAMPLER, "scales": [[320, 32]]},
        "Train.dataset.transforms": [
            {"DecodeImage": None},
            {"CTCLabelEncode": None},
            {"KeepKeys": {"keep_keys": ["image", "label", "length"]}},
        ],
    }
    with pytest.raises(ConfigError, match="a sampler resizes bilinearly"):
        read_plan(load_config(write_config("run", averaged | changes)))
