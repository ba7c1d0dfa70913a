"""Labels of CTC and of a second decoder, held against PaddleOCR's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.errors import DatasetError
from runtime.recognition.charset import Charset
from runtime.recognition.spec import WidthPolicy
from training.data.build import LoaderOptions, build_data, read_data
from training.data.sample import Draw, Sample
from training.loop.parallel import Group
from training.recognition.batches import LineBatching, width_for_label
from training.recognition.labels import MultiLabelEncode, ctc_label
from training.recognition.task import RecognitionTask
from training.recognition.transforms import KeepKeys
from training.registry import Problems

GOLDEN = Path(__file__).parents[2] / "golden" / "rec_transforms.json"
CASES: list[dict[str, Any]] = json.loads(GOLDEN.read_text())["MultiLabelEncode"]
CHARSET = Charset(tuple("abcdefghijéß漢字 "))
DRAW = Draw(np.random.default_rng(0), lambda: Sample(b"", "", ""))
SAR_KEYS = ["image", "label_ctc", "label_sar", "length", "valid_ratio"]
GTC_KEYS = ["image", "label_ctc", "label_gtc", "length", "valid_ratio"]


def is_written_exactly(case: dict[str, Any]) -> bool:
    """PaddleOCR leaves out characters that have no class; here such lines are dropped."""
    return not CHARSET.unknown(case["text"])


def encoded(encode: MultiLabelEncode, text: str) -> Mapping[str, Any]:
    return encode(Sample(None, text, "one"), DRAW).values


@pytest.mark.parametrize(
    "case", list(filter(is_written_exactly, CASES)), ids=lambda case: case["text"]
)
def test_the_labels_are_paddleocrs(case: dict[str, Any]) -> None:
    encode = MultiLabelEncode(CHARSET, case["max_text_length"], case["gtc_encode"])
    expected = case["out"]
    assert (encode.reason_to_drop(case["text"]) is None) == (expected is not None)
    if expected is None:
        with pytest.raises(DatasetError):
            encoded(encode, case["text"])
        return
    values = encoded(encode, case["text"])
    assert values["label_ctc"] == expected["label_ctc"][: expected["length"]]
    assert set(values) == set(expected) - {"length"}
    (second,) = set(values) - {"label_ctc"}
    assert values[second].dtype == np.int64
    assert values[second].tolist() == expected[second]


def test_a_line_with_a_character_without_a_class_is_dropped() -> None:
    encode = MultiLabelEncode(CHARSET, 12)
    odd = [case["text"] for case in CASES if not is_written_exactly(case)]
    assert odd and {encode.reason_to_drop(text) for text in odd} == {"unknown characters"}


@pytest.mark.parametrize(
    ("gtc_encode", "name"), [(None, "SARLabelEncode"), ("NRTRLabelEncode", "NRTRLabelEncode")]
)
def test_the_decoder_that_has_no_room_is_named(gtc_encode: Any, name: str) -> None:
    encode = MultiLabelEncode(CHARSET, 6, gtc_encode)
    assert encode.longest == 4
    assert encode.reason_to_drop("abcde") == f"longer than 4, the most that {name} takes"
    assert encode.reason_to_drop("abcdeab") == "longer than max_text_length"
    assert encode.reason_to_drop("abcd") is None


@pytest.mark.parametrize(
    ("gtc_encode", "key", "label"),
    [
        (None, "label_sar", [16, 0, 1, 2, 3, 16]),
        ("SARLabelEncode", "label_gtc", [16, 0, 1, 2, 3, 16]),
        ("NRTRLabelEncode", "label_gtc", [2, 4, 5, 6, 7, 3]),
    ],
)
def test_all_lines_that_ctc_takes_can_be_kept(gtc_encode: Any, key: str, label: list[int]) -> None:
    encode = MultiLabelEncode(CHARSET, 4, gtc_encode, keep_longest=True)
    assert encode.longest == 4 and encode.reason_to_drop("abcd") is None
    assert encoded(encode, "abcd")[key].tolist() == label
    assert encode.reason_to_drop("abcda") == "longer than max_text_length"


@pytest.mark.parametrize("keys", [SAR_KEYS, GTC_KEYS, GTC_KEYS[:-1]])
def test_orders_of_two_decoders(keys: list[str]) -> None:
    assert KeepKeys(keys).keep_keys == tuple(keys)


@pytest.mark.parametrize(
    "keys",
    [
        ["image", "label_ctc", "length"],
        ["image", "label_sar", "label_ctc", "length", "valid_ratio"],
        ["image", "label", "label_sar", "length"],
        [*GTC_KEYS, "label_sar"],
        [*GTC_KEYS, "label_ace"],
    ],
)
def test_an_order_that_no_loss_understands_is_refused(keys: list[str]) -> None:
    with pytest.raises(DatasetError, match="label_ctc, label_gtc, length"):
        KeepKeys(keys)


def batching(keep_keys: list[str], label_length: int | None) -> LineBatching:
    dataset: Any = None
    policy = WidthPolicy(32, 32, 320)
    return LineBatching(
        dataset, {}, policy, 32, LoaderOptions(2), tuple(keep_keys), 16, 4, label_length
    )


def test_a_batch_of_two_decoders() -> None:
    encode = MultiLabelEncode(CHARSET, 12, "NRTRLabelEncode")
    samples = []
    for text, width in (("abc", 20), ("a b", 64)):
        image = np.zeros((32, width, 3), np.uint8)
        samples.append(encode(Sample(image, text, text), DRAW))
    batch = batching(GTC_KEYS, 12).training_batch(samples, Group())
    assert list(batch.arrays) == GTC_KEYS
    assert batch.arrays["label_ctc"].shape == batch.arrays["label_gtc"].shape == (2, 12)
    assert batch.arrays["label_ctc"][0].tolist() == [1, 2, 3, *[0] * 9]
    assert batch.arrays["label_gtc"][1].tolist() == [2, 4, 18, 5, 3, *[0] * 7]
    assert batch.arrays["label_ctc"].dtype == batch.arrays["label_gtc"].dtype == np.int64
    assert batch.arrays["length"].tolist() == [3, 3]
    assert batch.arrays["valid_ratio"].tolist() == [np.float32(20 / 64), 1.0]
    assert ctc_label(batch.arrays) is batch.arrays["label_ctc"]


def test_the_width_leaves_room_for_the_ctc_label() -> None:
    sample = Sample(np.zeros((32, 10, 3), np.uint8), "aaaaaaaaaa", "one")
    encode = MultiLabelEncode(CHARSET, 12)
    batch = batching(SAR_KEYS, 12).training_batch([encode(sample, DRAW)], Group())
    assert width_for_label([1] * 10, 4) == 76
    assert batch.arrays["image"].shape[3] == 96


def section(
    transforms: list[dict[str, Any]], keys: list[str], dataset: Mapping[str, Any]
) -> dict[str, Any]:
    steps = [{"DecodeImage": None}, *transforms, {"RecResizeImg": {"image_shape": [3, 48, 320]}}]
    steps.append({"KeepKeys": {"keep_keys": keys}})
    return {
        "dataset": {**dataset, "transforms": steps},
        "loader": {"batch_size_per_card": 4, "shuffle": True},
    }


SYNTHETIC = {"name": "SyntheticDataSet", "count": 12}
NRTR: dict[str, Any] = {"MultiLabelEncode": {"gtc_encode": "NRTRLabelEncode"}}


def test_rendered_and_joined_lines_fit_the_labels() -> None:
    joined = [{"RecConAug": {"prob": 1.0, "ext_data_num": 2, "max_text_length": 6}}, NRTR]
    given = section(joined, GTC_KEYS, SYNTHETIC)
    problems = Problems()
    plan = read_data(given, "Train", RecognitionTask, problems)
    assert plan is not None and not problems
    part = build_data(plan, RecognitionTask(Charset(tuple("abcdef")), 6), seed=3)
    samples = [part.dataset.load(index, 0) for index in range(12)]
    assert all(isinstance(sample, Sample) and sample.replaced is None for sample in samples)
    assert max(len(sample.text) for sample in samples if isinstance(sample, Sample)) == 4
    for batch in part.batching.plan(0):
        loaded = [part.dataset.load(index, 0) for index in batch]
        arrays = part.batching.training_batch(loaded, Group()).arrays  # type: ignore[arg-type]
        assert arrays["image"].shape[2] == 48 and arrays["label_gtc"].shape[1] == 6


def test_lines_that_are_too_long_are_counted(write_lines: Callable[..., Path]) -> None:
    file = write_lines({"a.png": "abcd", "b.png": "abcdef", "c.png": "abcdefa", "d.png": "abcde"})
    files = {"name": "SimpleDataSet", "data_dir": str(file.parent), "label_file_list": [str(file)]}
    plan = read_data(section([NRTR], GTC_KEYS, files), "Eval", RecognitionTask, Problems())
    assert plan is not None
    task = RecognitionTask(Charset(tuple("abcdef")), 6)
    report = build_data(plan, task, seed=3).report
    assert report.as_json()["dropped"] == {
        "longer than 4, the most that NRTRLabelEncode takes": 2,
        "longer than max_text_length": 1,
    }
    assert "  2 longer than 4, the most that NRTRLabelEncode takes, e.g. " in report.lines()[1]


@pytest.mark.parametrize(
    ("transforms", "keys", "message"),
    [
        ([NRTR], SAR_KEYS, "expected label_ctc, label_gtc of MultiLabelEncode among keep_keys"),
        ([{"MultiLabelEncode": None}], GTC_KEYS, "label_ctc, label_sar of MultiLabelEncode"),
        ([{"CTCLabelEncode": None}], GTC_KEYS, "expected label of CTCLabelEncode"),
        ([NRTR], ["image", "label", "length"], "label_ctc, label_gtc of MultiLabelEncode"),
        ([NRTR, {"CTCLabelEncode": None}], GTC_KEYS, "expected one of CTCLabelEncode and Multi"),
        ([], GTC_KEYS, "expected CTCLabelEncode or MultiLabelEncode in the list"),
        ([{"MultiLabelEncode": {"gtc_encode": "X"}}], GTC_KEYS, "expected 'SARLabelEncode' or"),
        ([{"MultiLabelEncode": {"max_text_length": 2}}], SAR_KEYS, "expected at least 3, got 2"),
        ([NRTR, {"RecConAug": None}], GTC_KEYS, "expected RecConAug before MultiLabelEncode"),
    ],
)
def test_labels_that_do_not_fit_are_named(
    transforms: list[dict[str, Any]], keys: list[str], message: str
) -> None:
    problems = Problems()
    read_data(section(transforms, keys, SYNTHETIC), "Train", RecognitionTask, problems)
    assert any(message in problem.message for problem in problems), problems


def test_paddleocrs_further_options_have_no_effect() -> None:
    options = {"character_dict_path": "x.txt", "use_space_char": True, "lower": False}
    problems = Problems()
    given = section([{"MultiLabelEncode": options}], SAR_KEYS, SYNTHETIC)
    assert read_data(given, "Train", RecognitionTask, problems) is not None and not problems
