"""The transforms list: what each step does, and every mistake a config can hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from runtime.errors import ConfigError, DatasetError, ImageError
from runtime.recognition.charset import Charset
from runtime.recognition.preprocess import prepare_line
from runtime.recognition.spec import RecognizerSpec, WidthPolicy
from training.data.build import DataPlan, read_data
from training.data.sample import Draw, Sample
from training.recognition.augment import RecConAug
from training.recognition.task import RecognitionTask
from training.recognition.transforms import (
    CTCLabelEncode,
    DecodeImage,
    KeepKeys,
    RecResizeImg,
)
from training.registry import Problems

CHARSET = Charset(tuple("abcü"))
DRAW = Draw(np.random.default_rng(0), lambda: Sample(b"", "", ""))
GOOD: list[dict[str, Any]] = [
    {"DecodeImage": {"img_mode": "BGR", "channel_first": False}},
    {"RecAug": None},
    {"CTCLabelEncode": None},
    {"RecResizeImg": {"image_shape": [3, 32, 320]}},
    {"KeepKeys": {"keep_keys": ["image", "label", "length"]}},
]


def test_decode_takes_bytes_and_arrays(
    make_line: Callable[..., NDArray[np.uint8]], encode: Callable[[NDArray[np.uint8]], bytes]
) -> None:
    image = make_line()
    for given in (encode(image), image):
        assert np.array_equal(DecodeImage()(Sample(given, "", "one"), DRAW).image, image)
    with pytest.raises(ImageError):
        DecodeImage()(Sample(b"text", "", "one"), DRAW)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty label"),
        ("abcabc", "longer than max_text_length"),
        ("abd", "unknown characters"),
        ("ab c", "unknown characters"),
        ("abcü", None),
    ],
)
def test_why_a_label_is_dropped(text: str, reason: str | None) -> None:
    encode = CTCLabelEncode(CHARSET, max_text_length=5)
    assert encode.reason_to_drop(text) == reason
    sample = Sample(None, text, "file 3")
    if reason is None:
        assert encode(sample, DRAW).values == {"label": [1, 2, 3, 4]}
    else:
        with pytest.raises(DatasetError, match=f"file 3: {reason}"):
            encode(sample, DRAW)


@pytest.mark.parametrize(
    ("size", "width"), [((16, 40), 80), ((32, 7), 7), ((30, 1000), 320), ((64, 1), 1)]
)
def test_resize_keeps_the_ratio_up_to_the_limit(size: tuple[int, int], width: int) -> None:
    resize = RecResizeImg(WidthPolicy(32, 32, 320), [3, 32, 320])
    out = resize(Sample(np.zeros((*size, 3), np.uint8), "", ""), DRAW).image
    assert out.shape == (32, width, 3) and out.dtype == np.uint8


def test_resize_averages_where_it_is_told() -> None:
    image = np.random.default_rng(0).integers(0, 256, (96, 200, 3), dtype=np.uint8)
    policy = WidthPolicy(32, 32, 320)
    for interpolation in ("bilinear", "area"):
        resize = RecResizeImg(policy, [3, 32, 320], interpolation=interpolation)
        spec = RecognizerSpec(("a",), resize=interpolation, width=policy)
        read = resize(Sample(image, "", ""), DRAW).image
        np.testing.assert_array_equal(read, prepare_line(image, spec))


def test_joined_lines_are_resized_as_the_whole_is() -> None:
    steps = built(
        [
            {"DecodeImage": None},
            {"RecConAug": {"prob": 1.0}},
            {"CTCLabelEncode": None},
            {"RecResizeImg": {"image_shape": [3, 32, 320], "interpolation": "area"}},
            GOOD[-1],
        ]
    )
    assert [step.resize for step in steps if isinstance(step, RecConAug)] == ["area"]


def test_keep_keys() -> None:
    keys = ["image", "label", "length", "label_ace", "valid_ratio"]
    assert KeepKeys(keys).keep_keys == tuple(keys)
    for bad in (["image", "label"], ["label", "image", "length"], [*keys, "x"]):
        with pytest.raises(DatasetError, match="image, label, length"):
            KeepKeys(bad)


def read(transforms: Any, problems: Problems) -> DataPlan | None:
    section = {
        "dataset": {"name": "SyntheticDataSet", "count": 1, "transforms": transforms},
        "loader": {"batch_size_per_card": 1},
    }
    return read_data(section, "Train", RecognitionTask, problems)


def built(transforms: Any) -> list[Any]:
    problems = Problems()
    plan = read(transforms, problems)
    assert plan is not None and not problems
    return RecognitionTask(CHARSET, 7).transforms_of(plan)


def test_a_good_list_has_no_problem_and_is_built() -> None:
    steps = built(GOOD)
    assert [type(step).__name__ for step in steps] == [next(iter(entry)) for entry in GOOD]
    (encode,) = [step for step in steps if isinstance(step, CTCLabelEncode)]
    assert encode.max_text_length == 7 and encode.charset is CHARSET
    assert GOOD[2] == {"CTCLabelEncode": None}
    plan = read(GOOD, Problems())
    assert plan is not None
    assert plan.options_of("RecResizeImg") == {"image_shape": [3, 32, 320]}
    assert plan.options_of("RecAug") == {} and plan.options_of("None") is None


def test_an_own_text_length_wins() -> None:
    steps = built([*GOOD[:2], {"CTCLabelEncode": {"max_text_length": 3}}, *GOOD[3:]])
    assert next(step.max_text_length for step in steps if isinstance(step, CTCLabelEncode)) == 3


def changed(index: int, entry: object) -> list[Any]:
    return [*GOOD[:index], entry, *GOOD[index + 1 :]]


@pytest.mark.parametrize(
    ("transforms", "path", "message"),
    [
        ("DecodeImage", "t", "expected a list"),
        (changed(1, "RecAug"), "t.1", "expected one transform"),
        (changed(1, {"RecAugg": None}), "t.1.RecAugg", "did you mean RecAug"),
        (changed(1, {"RecAug": {"tia_prop": 1}}), "t.1.RecAug.tia_prop", "did you mean tia_prob"),
        (changed(1, {"RecAug": {"tia_prob": "x"}}), "t.1.RecAug.tia_prob", "a number"),
        (changed(0, {"DecodeImage": {"img_mode": "RGB"}}), "t.0.DecodeImage.img_mode", "'BGR'"),
        (
            changed(0, {"DecodeImage": {"channel_first": True}}),
            "t.0.DecodeImage.channel_first",
            "False",
        ),
        (GOOD[1:], "t", "expected DecodeImage in the list"),
        (changed(3, {"RecResizeImg": {"image_shape": [1, 32, 320]}}), "t", r"\[3, height, width\]"),
        (changed(3, {"RecResizeImg": None}), "t.3.RecResizeImg", "image_shape"),
        (
            changed(3, {"RecResizeImg": {"image_shape": [3, 32, 320], "interpolation": "cubic"}}),
            "t.3.RecResizeImg.interpolation",
            "expected bilinear or area, got 'cubic'",
        ),
        (changed(4, {"KeepKeys": {"keep_keys": ["image"]}}), "t.4.KeepKeys.keep_keys", "label"),
        ([GOOD[1], GOOD[0], *GOOD[2:]], "t", "DecodeImage before RecAug"),
        ([*GOOD[:1], *GOOD[2:4], GOOD[1], GOOD[4]], "t", "RecAug before RecResizeImg"),
        ([*GOOD[:3], {"RecConAug": None}, *GOOD[3:]], "t", "RecConAug before CTCLabelEncode"),
    ],
)
def test_mistakes_are_named_with_their_place(transforms: Any, path: str, message: str) -> None:
    problems = Problems()
    assert read(transforms, problems) is None
    where = path.replace("t", "Train.dataset.transforms", 1)
    assert any(problem.path.startswith(where) for problem in problems), problems
    with pytest.raises(ConfigError, match=message):
        problems.raise_any()
