"""From a `Train` or `Eval` section to its parts, and every mistake it can hold."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from runtime.recognition.charset import Charset
from runtime.recognition.spec import WidthPolicy
from training.data.build import DataPlan, build_data, read_data
from training.data.sample import Sample
from training.recognition.inputs import deployed_input
from training.recognition.task import RecognitionTask, width_policy_of
from training.registry import Problems

CHARSET = Charset(tuple("abcdef"))
SECTION: dict[str, Any] = {
    "dataset": {
        "name": "SyntheticDataSet",
        "count": 40,
        "transforms": [
            {"DecodeImage": None},
            {"RecConAug": {"prob": 0.5, "max_text_length": 9}},
            {"CTCLabelEncode": None},
            {"RecResizeImg": {"image_shape": [3, 32, 320]}},
            {"KeepKeys": {"keep_keys": ["image", "label", "length", "valid_ratio"]}},
        ],
    },
    "loader": {"batch_size_per_card": 8, "shuffle": True, "num_workers": 99},
}


def section(path: str = "", value: object = None) -> dict[str, Any]:
    changed = copy.deepcopy(SECTION)
    if path:
        *parents, last = path.split(".")
        place = changed
        for part in parents:
            place = place[part]
        place[last] = value
    return changed


def build(given: Mapping[str, Any], path: str = "Train", seed: int = 3) -> Any:
    return build_data(plan_of(given, path), RecognitionTask(CHARSET, 9), seed)


def plan_of(given: Mapping[str, Any], path: str = "Train") -> DataPlan:
    problems = Problems()
    plan = read_data(given, path, RecognitionTask, problems)
    assert plan is not None and not problems
    return plan


def test_a_part_holds_everything() -> None:
    given = section()
    part = build(given)
    assert given == SECTION  # building changes nothing
    assert part.batching.height == 32
    assert part.batching.width_policy == WidthPolicy(32, 32, 320)
    assert part.batching.keep_keys == ("image", "label", "length", "valid_ratio")
    assert 1 <= part.num_workers < 99
    assert len(part.report.kept) == 40 and part.dataset.is_training
    texts = [part.dataset.load(index, 0).text for index in range(40)]
    assert max(map(len, texts)) <= 9
    batches = part.batching.plan(0)
    assert sorted(index for batch in batches for index in batch) == list(range(40))
    assert part.batching.plan(0) == batches != part.batching.plan(1)
    assert [len(batch) for batch in part.batching.plan(0, num_processes=2)].count(16) == 2
    assert build(given, seed=4).batching.plan(0) != batches


def test_evaluation_draws_other_lines() -> None:
    train, evaluation = build(section()), build(section(), "Eval")
    assert not evaluation.dataset.is_training
    assert evaluation.batching.width_policy == WidthPolicy(32, 32, 3200)
    texts = [[part.dataset.source.text(i, 0) for i in range(40)] for part in (train, evaluation)]
    assert texts[0] != texts[1]


def test_malformed_lines_reach_the_report(
    write_lines: Callable[[Mapping[str, str]], Path], tmp_path: Path
) -> None:
    file = write_lines({"1.png": "ab", "2.png": "cd", "3.png": "xy"})
    file.write_text(file.read_text() + "no tab here\n")
    given = section("dataset.name", "SimpleDataSet")
    del given["dataset"]["count"]
    given["dataset"] |= {"data_dir": str(tmp_path), "label_file_list": [str(file)]}
    part = build(given)
    assert part.report.as_json()["dropped"] == {"malformed": 1, "unknown characters": 1}
    assert part.dataset.indices(0) == [0, 1]
    assert isinstance(part.dataset.load(1, 0), Sample)


@pytest.mark.parametrize(
    ("loader", "training", "deployed"),
    [
        ({}, WidthPolicy(32, 32, 320), WidthPolicy(32, 32, 3200)),
        ({"width_step": 8}, WidthPolicy(8, 8, 320), WidthPolicy(8, 8, 3200)),
        ({"width_step": 0}, WidthPolicy(320, 320, 320), WidthPolicy(32, 320, 3200)),
        ({"max_width": 640}, WidthPolicy(32, 32, 640), WidthPolicy(32, 32, 640)),
        ({"max_width": 20}, WidthPolicy(32, 20, 20), WidthPolicy(32, 20, 20)),
    ],
)
def test_width_policies(
    loader: dict[str, int], training: WidthPolicy, deployed: WidthPolicy
) -> None:
    given = section()
    given["loader"] |= loader
    assert width_policy_of(plan_of(given)) == training
    assert deployed_input(plan_of(given, "Eval")) == (32, deployed)


@pytest.mark.parametrize(
    ("path", "value", "where", "message"),
    [
        ("dataset", None, "Train", "dataset and loader"),
        ("loader", None, "Train.loader", "batch_size_per_card"),
        ("loader.batch_size_per_card", 0, "Train.loader.batch_size_per_card", "at least 1"),
        ("loader.num_workers", -1, "Train.loader.num_workers", "at least 0"),
        ("loader.max_width", 0, "Train.loader.max_width", "at least 1"),
        ("loader.batch_size", 8, "Train.loader.batch_size", "did you mean batch_size_per_card"),
        ("dataset.name", "SimpleDataset", "Train.dataset.name", "did you mean SimpleDataSet"),
        ("dataset.cuont", 8, "Train.dataset.cuont", "did you mean count"),
        ("dataset.seed", 8, "Train.dataset.seed", "unknown option"),
        ("dataset.transforms", [], "Train.dataset.transforms", "expected DecodeImage"),
        ("dataset.ext_op_transform_idx", 2, "Train.dataset.ext_op_transform_idx", "1 to 1"),
        ("dataset.ext_op_transform_idx", "1", "Train.dataset.ext_op_transform_idx", "1 to 1"),
    ],
)
def test_mistakes_are_named(path: str, value: object, where: str, message: str) -> None:
    problems = Problems()
    assert read_data(section(path, value), "Train", RecognitionTask, problems) is None
    assert any(problem.path == where and message in problem.message for problem in problems), (
        problems
    )
