"""A config trains on images that nobody labelled, beside labelled ones or alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from runtime.errors import ConfigError
from tests.conftest import CHARACTERS
from tests.training.recognition.teacher.taught import LEARNS, PAIRS, config_of_taught
from tests.training.recognition.teacher.test_runs import weights_of
from tests.training.stopping import stopped_at
from training.config import Config, load_config
from training.data.synthetic import SyntheticDataSet
from training.plan import read_plan
from training.run import build_run
from training.train import train

pytest.importorskip("onnxruntime", reason="teachers run in it")

WriteConfig = Callable[..., Path]
LOSSES = [{"DistillationCTCLoss": LEARNS}, {"DistillationSpikeKLLoss": PAIRS}]


@pytest.fixture
def unlabelled(tmp_path: Path, write_config: WriteConfig) -> Callable[..., Path]:
    def write(name: str = "run", part: str = "Train", **options: Any) -> Path:
        config = config_of_taught(tmp_path, write_config, name, Loss__loss_config_list=LOSSES)
        sections = yaml.safe_load(config.read_text(encoding="utf-8"))
        dataset = sections[part]["dataset"]
        section = {
            "name": "UnlabelledDataSet",
            "images": [str(tmp_path / f"{number}.png") for number in range(10)],
            "output": str(tmp_path / "made" / "labels.tsv"),
            "least_confidence": 0.3,
            "transforms": dataset["transforms"],
        }
        sections[part]["dataset"] = {**section, **options}
        config.write_text(yaml.safe_dump(sections, sort_keys=False), encoding="utf-8")
        return config

    return write


def test_lines_are_labelled_and_reported_before_training(unlabelled: Callable[..., Path]) -> None:
    run = build_run(load_config(unlabelled()))
    part = run.data("Train")
    said = "\n".join(part.report.lines())
    assert "10 lines read in 10 images" in said and "confidence in percent" in said
    (teacher,) = run.plan.train.teachers
    for index in part.report.kept:
        sample = part.dataset.load(index, 0)
        assert sample.readings["Teacher"].text == sample.text  # type: ignore[union-attr]
    assert teacher.plan.name == "Teacher"


def test_labelled_lines_stand_beside_them(unlabelled: Callable[..., Path], tmp_path: Path) -> None:
    labelled = {
        "data_dir": str(tmp_path),
        "label_file_list": [str(tmp_path / "labels.txt")],
        "ratio_list": [0.5, 1.0],
    }
    part = build_run(load_config(unlabelled(**labelled))).data("Train")
    source = part.dataset.source
    assert [source.text(index, 0) for index in range(3)] == ["abc", "abd", "abe"]
    made = (tmp_path / "made" / "labels.tsv").read_text(encoding="utf-8").splitlines()
    assert len(source) == 10 + len(made)
    assert sum(index < 10 for index in source.indices(0)) == 5
    assert sum(index >= 10 for index in source.indices(0)) == len(made)


def test_a_run_and_one_that_was_stopped_end_in_the_same_bits(
    unlabelled: Callable[..., Path], tmp_path: Path
) -> None:
    whole, cut = unlabelled("whole"), unlabelled("cut")
    train(load_config(whole))
    with stopped_at(2):
        train(load_config(cut))
    for file in (tmp_path / "made").iterdir():
        file.unlink()
    checkpoint = cut.with_suffix("") / "latest"
    train(load_config(cut, [f"Global.checkpoints={checkpoint}"]))
    left, right = weights_of(whole.with_suffix("")), weights_of(cut.with_suffix(""))
    assert left and left.keys() == right.keys()
    assert [name for name in left if not np.array_equal(left[name], right[name])] == []


def test_a_teacher_may_label_alone(unlabelled: Callable[..., Path]) -> None:
    config = unlabelled()
    sections = load_config(config).sections
    sections["Loss"]["loss_config_list"] = [{"DistillationCTCLoss": LEARNS}]
    plan = read_plan(Config(None, sections))
    assert plan.train.teachers == () and plan.train.labelled_by is not None
    assert not any("reads nothing" in note for note in plan.notes)


def test_rapidocrs_recogniser_labels_rendered_lines(
    unlabelled: Callable[..., Path], tmp_path: Path
) -> None:
    """PP-OCRv6 small; its 18,709 characters are more than the run's twelve."""
    rapidocr = pytest.importorskip("rapidocr")
    model = Path(rapidocr.__file__).parent / "models" / "PP-OCRv6_rec_small.onnx"
    if not model.is_file():
        pytest.skip(f"rapidocr has no {model.name}")
    words = tmp_path / "words.txt"
    words.write_text("badge\nblack\nchilled\nfield\nhedge\nEiche\n", encoding="utf-8")
    drawn = SyntheticDataSet(
        [*CHARACTERS, "E"], count=6, seed=2, word_list=words, difficulty=0.0, max_text_length=8
    )
    lines = tmp_path / "lines"
    lines.mkdir()
    texts = {}
    for number in range(len(drawn)):
        image, texts[f"{number}.png"] = drawn.line(number)
        cv2.imwrite(str(lines / f"{number}.png"), image)
    config = load_config(
        unlabelled(images=[str(lines)], views=2, least_confidence=0.8),
        [f"Architecture.Models.Teacher.onnx={model}", "Global.max_text_length=8"],
    )
    report = build_run(config).data("Train").report
    assert "6 lines read in 6 images" in "\n".join(report.lines())
    made = (tmp_path / "made" / "labels.tsv").read_text(encoding="utf-8").splitlines()
    kept = {Path(path).name: text for path, text in (row.split("\t") for row in made)}
    assert len(kept) >= 3
    assert all(texts[name] == text for name, text in kept.items())
    (outside,) = (name for name, text in texts.items() if "E" in text)
    assert outside not in kept


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"teacher": "Nobody"}, "Train.dataset.teacher: expected the name of an ONNX file"),
        ({"views": 0}, "Train.dataset.views: expected 1 to 3, got 0"),
        ({"least_confidence": 1.5}, "Train.dataset.least_confidence: expected 0 to 1"),
        ({"spaces": "many"}, "Train.dataset.spaces: expected"),
        ({"images": ["nowhere"]}, "Train.dataset.images.0: nothing there: nowhere"),
        ({"part": "Eval"}, "Eval.dataset.name: UnlabelledDataSet has no true labels to judge by"),
    ],
    ids=lambda given: str(given)[:30],
)
def test_what_is_wrong_is_named(
    unlabelled: Callable[..., Path], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as error:
        read_plan(load_config(unlabelled(**options)))
    assert message in str(error.value)
