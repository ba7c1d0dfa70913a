"""The recipe runner: stages in order, done ones skipped, a killed one resumed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from runtime.errors import ConfigError, DatasetError
from training.checkpoint.parameters import read_parameters, write_parameters
from training.config import load_config
from training.loop.logs import read_metrics
from training.plan import read_plan
from training.recipes.latin import Runner, main
from training.recipes.latin_data import find_packs, font_files, words_from_labels, write_labels
from training.recipes.stages import read_recipe

ROOT = Path(__file__).resolve().parents[3]
START_LIMIT_S = 120
TEXTS = ("abc", "de", "fgh", "ijkl", "a", "cab")


@pytest.fixture
def packs(tmp_path: Path) -> Path:
    """Two packs of a few plain images."""
    folder = tmp_path / "packs"
    rng = np.random.default_rng(0)
    for pack in ("first", "second"):
        (folder / pack / "images").mkdir(parents=True)
        lines = []
        for number, text in enumerate(TEXTS):
            image = rng.integers(0, 255, (32, 24 * len(text), 3), np.uint8)
            cv2.imwrite(str(folder / pack / "images" / f"{number}.png"), image)
            lines.append(f"images/{number}.png\t{text}\n")
        for name in ("train.tsv", "val.tsv"):
            (folder / pack / name).write_text("".join(lines), encoding="utf-8")
    return folder


@pytest.fixture
def recipe(
    write_config: Callable[..., Path], single_network: dict[str, Any], tmp_path: Path
) -> Path:
    """Two stages: one network, then Teacher and Student that start from it."""
    data = {"name": "SimpleDataSet", "data_dir": ".", "label_file_list": []}
    transforms = [
        {"DecodeImage": None},
        {"CTCLabelEncode": None},
        {"RecResizeImg": {"image_shape": [3, 32, 96]}},
        {"KeepKeys": {"keep_keys": ["image", "label", "length"]}},
    ]
    parts = {f"{part}.dataset": {**data, "transforms": transforms} for part in ("Train", "Eval")}
    parts["Global.use_space_char"] = True
    write_config("network", {**single_network, **parts})
    write_config("pair", parts)
    stages = {
        "sets": {"short": {"count": 20, "seed": 1, "max_text_length": 3, "difficulty": 0.1}},
        "stages": [
            {
                "name": "1_short",
                "config": "network.yml",
                "train": {"short": 1.0},
                "eval": ["short"],
                "options": {"Global.epoch_num": 1},
            },
            {
                "name": "2_pair",
                "config": "pair.yml",
                "train": {"short": 0.5, "*": 1.0},
                "eval": ["first"],
                "from": {"Student": "1_short", "Teacher": "1_short"},
                "options": {"Global.epoch_num": 6},
            },
        ],
    }
    path = tmp_path / "stages.yml"
    path.write_text(yaml.safe_dump(stages), encoding="utf-8")
    return path


def command(packs: Path, recipe: Path, output: Path) -> list[str]:
    return [
        *("--data", str(packs), "--output", str(output)),
        *("--stages", str(recipe), "--workers", "1"),
    ]


def test_a_killed_recipe_goes_on_where_it_was(
    packs: Path, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, log = tmp_path / "latin", tmp_path / "log"
    arguments = command(packs, recipe, output)
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "training.recipes.latin", *arguments],
            cwd=ROOT,
            stdout=stream,
            stderr=stream,
        )
    try:
        deadline = time.monotonic() + START_LIMIT_S
        while process.poll() is None and time.monotonic() < deadline:
            if (output / "2_pair" / "latest.states").is_file():
                break
            time.sleep(0.005)
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
    finally:
        process.kill()
        process.wait()
    assert main([*arguments, "--list"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == "1_short: 1 of 1 epochs" and second != "2_pair: 6 of 6 epochs"

    again = subprocess.run(
        [sys.executable, "-m", "training.recipes.latin", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    assert "1_short: done" in again.stdout and "resumed from" in again.stderr
    records = read_metrics(output / "2_pair" / "metrics.jsonl")
    steps = [record["step"] for record in records if record["kind"] == "train"]
    # 8 of the 16 rendered lines and both packs make 5 batches of 4; no step is done twice.
    assert steps == list(range(1, 6 * 5 + 1))

    runner = Runner(read_recipe(recipe), output)
    assert runner.progress() == ["1_short: 1 of 1 epochs", "2_pair: 6 of 6 epochs"]


def test_overrides_of_a_stage(packs: Path, recipe: Path, tmp_path: Path) -> None:
    runner = Runner(read_recipe(recipe), tmp_path / "out")
    runner.packs = ["first", "second"]
    overrides = dict(override.split("=", 1) for override in runner.overrides(runner.stages[1]))
    labels = yaml.safe_load(overrides["Train.dataset.label_file_list"])
    assert [Path(label).parent.name for label in labels] == ["first", "second", "short"]
    assert yaml.safe_load(overrides["Train.dataset.ratio_list"]) == [1.0, 1.0, 0.5]
    student = yaml.safe_load(overrides["Architecture.Models.Student.pretrained"])
    assert student == str(tmp_path / "out" / "1_short" / "latest")
    assert "Global.checkpoints" not in overrides


def test_a_share_above_one_takes_the_lines_again(recipe: Path, tmp_path: Path) -> None:
    content = yaml.safe_load(recipe.read_text())
    content["stages"][1]["train"] = {"*": 2.0, "second": 2.5, "short": 0.5}
    recipe.write_text(yaml.safe_dump(content))
    runner = Runner(read_recipe(recipe), tmp_path / "out")
    runner.packs = ["first", "second"]
    overrides = dict(override.split("=", 1) for override in runner.overrides(runner.stages[1]))
    labels = yaml.safe_load(overrides["Train.dataset.label_file_list"])
    names = [Path(label).parent.name for label in labels]
    assert names == ["first"] * 2 + ["second"] * 3 + ["short"]
    assert yaml.safe_load(overrides["Train.dataset.ratio_list"]) == [1, 1, 1, 1, 0.5, 0.5]


def test_a_stage_after_a_pair_begins_with_its_student(recipe: Path, tmp_path: Path) -> None:
    content = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    content["stages"].append({**content["stages"][0], "name": "3_alone", "from": "2_pair"})
    recipe.write_text(yaml.safe_dump(content), encoding="utf-8")
    runner = Runner(read_recipe(recipe), tmp_path / "out")
    runner.packs = []
    weights = {f"{name}.head.w": np.full(2, value) for name, value in (("Student", 1), ("T", 2))}
    (tmp_path / "out" / "2_pair").mkdir(parents=True)
    write_parameters(tmp_path / "out/2_pair/latest.pdparams", weights)
    runner.write_student("2_pair")
    given = dict(entry.split("=", 1) for entry in runner.overrides(runner.stages[2]))
    student = read_parameters(json.loads(given["Global.pretrained_model"]))
    assert student.keys() == {"head.w"} and (student["head.w"] == 1).all()


def test_starting_with_a_stage_from_weights(recipe: Path, tmp_path: Path) -> None:
    runner = Runner(read_recipe(recipe), tmp_path, ("2_pair", "kept.pdparams"))
    runner.packs = []
    assert [stage.name for stage in runner.stages] == ["2_pair"]
    assert 'Global.pretrained_model="kept.pdparams"' in runner.overrides(runner.stages[0])
    with pytest.raises(ConfigError, match="no stage 9_none: expected one of 1_short, 2_pair"):
        Runner(read_recipe(recipe), tmp_path, ("9_none", "kept.pdparams"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"from": "2_pair"}, "a stage before it"),
        ({"epochs": 3}, r"unknown \['epochs'\]"),
        ({"name": "2_pair", "from": None}, None),
    ],
)
def test_a_stage_is_checked(recipe: Path, changes: dict[str, Any], message: str | None) -> None:
    content = yaml.safe_load(recipe.read_text())
    content["stages"][1] |= changes
    recipe.write_text(yaml.safe_dump(content))
    if message is None:
        assert read_recipe(recipe).stages[1].source is None
        return
    with pytest.raises(ConfigError, match=message):
        read_recipe(recipe)


def test_names_that_are_neither_set_nor_pack(packs: Path, recipe: Path, tmp_path: Path) -> None:
    content = yaml.safe_load(recipe.read_text())
    content["stages"][0]["train"] = {"shorter": 1.0}
    recipe.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError, match="neither a set nor a pack: shorter"):
        Runner(read_recipe(recipe), tmp_path / "out").prepare(packs, None, 1)


def test_folders_without_anything(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no packs of lines"):
        find_packs(tmp_path)
    with pytest.raises(DatasetError, match="no fonts in"):
        font_files(tmp_path)
    assert font_files(None) is None


def test_labels_and_words(packs: Path, tmp_path: Path) -> None:
    copy = write_labels(packs / "first" / "train.tsv", tmp_path / "copy.tsv")
    name, text = copy.read_text().splitlines()[0].split("\t")
    assert Path(name).is_absolute() and Path(name).is_file() and text == TEXTS[0]
    words = words_from_labels(find_packs(packs))
    assert words == words_from_labels(find_packs(packs))
    assert set(TEXTS) <= set(words) and all(word.strip() for word in words)


def test_a_few_plain_faces_of_each_family() -> None:
    pytest.importorskip("matplotlib")
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    files = [Path(file).name for file in font_files(folder) or ()]
    assert [name for name in files if name.startswith(("DejaVuSerif.", "DejaVuSerif-"))] == [
        *("DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf", "DejaVuSerif-Italic.ttf")
    ]
    assert not [name for name in files if "NonUni" in name]


def test_the_shipped_recipe(packs: Path, tmp_path: Path) -> None:
    shipped = ROOT / "configs" / "latin" / "stages.yml"
    runner = Runner(read_recipe(shipped), tmp_path)
    runner.packs = ["first", "second"]
    labels = str(packs / "first" / "train.tsv")
    for stage in runner.stages:
        overrides = runner.overrides(stage)
        overrides += [f'{part}.dataset.label_file_list=["{labels}"]' for part in ("Train", "Eval")]
        overrides += ["Train.dataset.ratio_list=1.0"]
        config = load_config(stage.config, overrides)
        weights = [override for override in overrides if "pretrained" in override]
        assert len(weights) == (2 if isinstance(stage.source, dict) else stage.source is not None)
        read_plan(
            load_config(
                stage.config, [override for override in overrides if override not in weights]
            )
        )
        assert config.sections["Global"]["use_space_char"]
    characters = runner.recipe.dictionary.read_text(encoding="utf-8").split("\n")[:-1]
    assert len(set(characters)) == len(characters) and all(
        len(character) == 1 for character in characters
    )
