"""The commands that a run ends with: whole lines, quoted for a shell."""

from __future__ import annotations

import shlex
from pathlib import Path

from training.config import Config
from training.loop.ending import next_steps

GIVEN = (
    "Global.epoch_num=5",
    "Global.save_model_dir=my out",
    "Global.character_dict_path=my dict.txt",
    "Global.checkpoints=old",
    "Train.dataset.data_dir=mine",
    "Eval.dataset.label_file_list=[mine/val.txt]",
    "Architecture.Models.Student.pretrained=start",
)


def test_commands_carry_what_the_run_was_given() -> None:
    config = Config(Path("my config.yml"), {}, overrides=GIVEN)
    _, *lines = next_steps(config, Path("my out"), "Student", epochs=5)
    evaluate, export, resume = (shlex.split(line.partition(":")[2]) for line in lines)
    start = ["python", "-m", "training.evaluate", "-c", "my config.yml", "-o"]
    assert evaluate == [*start, GIVEN[2], GIVEN[5], "Global.checkpoints=my out/best_accuracy"]
    assert export[2:7] == ["export", "-c", "my config.yml", "-o", GIVEN[2]]
    named = ["--checkpoint", "my out/best_accuracy", "--network", "Student"]
    assert export[7:] == [*named, "--output-dir", "my out/export"]
    own = [text for text in GIVEN if "epoch_num" not in text and "checkpoints" not in text]
    more = ["Global.checkpoints=my out/latest", "Global.epoch_num=10"]
    assert resume[6:] == [*own, *more]


def test_weights_that_a_run_began_from_can_be_mixed_in() -> None:
    config = Config(Path("a.yml"), {})
    assert len(next_steps(config, Path("out"), "Student", 1)) == 4
    line = next_steps(config, Path("out"), "Student", 1, start="my/start")[-1]
    assert line.endswith(
        "training.blend -c a.yml --start my/start --trained out/best_accuracy --output out/blended"
    )


def test_one_network_by_itself_is_not_named() -> None:
    config = Config(Path("a.yml"), {})
    lines = next_steps(config, Path("out"), "", epochs=1)
    assert lines[2].split(":   ")[1] == (
        "python -m export -c a.yml --checkpoint out/best_accuracy --output-dir out/export"
    )
