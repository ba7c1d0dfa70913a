"""Heads of another dictionary: classes kept by character, new ones fresh, counts said."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from runtime.errors import CheckpointError, ConfigError
from runtime.recognition.charset import Charset
from tests.training.recognition.plans import config_of, multi_head
from training import build_model
from training.checkpoint.parameters import arrays_of, write_parameters
from training.checkpoint.safe_pickle import dump_pickle
from training.config import GlobalConfig
from training.networks import NetworkPlan, read_architecture
from training.plan import read_plan
from training.recognition.start import remembered, with_classes_of
from training.registry import Problems
from training.run import run_of
from training.task import StartingWeights

OLD, NEW = Charset(tuple("dcba")), Charset(tuple("abcxy"))
"""a, b and c are kept in another order; d goes, x and y are new."""
TINY = {"Backbone": {"name": "PPLCNetV4", "model_size": "tiny"}}
SAR = multi_head()
SAR["head_list"] = [SAR["head_list"][0], {"SARHead": {"enc_dim": 16}}]
CTC = {
    "Neck": {"name": "SequenceEncoder", "encoder_type": "rnn", "hidden_size": 8},
    "Head": {"name": "CTCHead", "mid_channels": 8},
}
HEADS: dict[str, dict[str, Any]] = {
    "ctc": CTC,
    "nrtr": {"Head": multi_head()},
    "sar": {"Head": SAR},
}
Arrays = dict[str, NDArray[Any]]


def plan_of(section: Mapping[str, Any]) -> NetworkPlan:
    plan = read_architecture(section, Problems())
    assert plan is not None
    return plan.networks[""]


def start(
    tmp_path: Path, head: str, settings: GlobalConfig, is_frozen: bool = False
) -> tuple[Arrays, Arrays, Arrays, str | None]:
    """Weights of OLD, those of NEW as initialised, those started, and what was said."""
    section = {**TINY, **HEADS[head]}
    given = arrays_of(build_model(section, OLD.num_classes))
    own = arrays_of(build_model(section, NEW.num_classes))
    weights = StartingWeights(given, tmp_path / "w.pdparams", "", "pretrained w", settings)
    plan = replace(plan_of(section), is_frozen=is_frozen)
    started, note = with_classes_of(NEW, own, weights, plan)
    return given, own, started, note


@pytest.fixture
def told(tmp_path: Path) -> GlobalConfig:
    dictionary = tmp_path / "old.txt"
    dictionary.write_text("".join(f"{character}\n" for character in OLD.characters))
    return GlobalConfig(pretrained_dictionary=str(dictionary))


PLACES = [
    ("ctc", "head.fc2.weight", 1, [0, 4, 3, 2, -1, -1]),
    ("ctc", "head.fc2.bias", 0, [0, 4, 3, 2, -1, -1]),
    ("nrtr", "head.ctc_head.fc.weight", 1, [0, 4, 3, 2, -1, -1]),
    ("nrtr", "head.gtc_head.embedding.embedding.weight", 0, [0, 1, 2, 3, 7, 6, 5, -1, -1, 8]),
    ("nrtr", "head.gtc_head.tgt_word_prj.weight", 1, [0, 1, 2, 3, 7, 6, 5, -1, -1, 8]),
    ("sar", "head.ctc_head.fc.bias", 0, [0, 4, 3, 2, -1, -1]),
    ("sar", "head.sar_head.decoder.embedding.weight", 0, [3, 2, 1, -1, -1, 4, 5, 6]),
    ("sar", "head.sar_head.decoder.prediction.weight", 1, [3, 2, 1, -1, -1, 4, 5]),
    ("sar", "head.sar_head.decoder.prediction.bias", 0, [3, 2, 1, -1, -1, 4, 5]),
]


@pytest.mark.parametrize(("head", "name", "axis", "rows"), PLACES)
def test_every_decoder_keeps_its_classes_by_character(
    tmp_path: Path, told: GlobalConfig, head: str, name: str, axis: int, rows: list[int]
) -> None:
    given, own, started, note = start(tmp_path, head, told)
    assert started[name].shape == own[name].shape != given[name].shape
    for place, row in enumerate(rows):
        found = np.take(started[name], place, axis)
        if row >= 0:
            assert np.array_equal(found, np.take(given[name], row, axis))
        elif own[name].ndim == 1:
            assert found <= started[name][[r >= 0 for r in rows]].min()
        else:
            assert np.array_equal(found, np.take(own[name], place, axis))
    assert note is not None
    assert (
        "3 of 5 characters keep their classes, 2 start fresh (x y), 1 of the file are left out"
        in note
    )
    assert started.keys() == given.keys()


def test_what_a_frozen_network_cannot_learn_is_an_average_character(
    tmp_path: Path, told: GlobalConfig
) -> None:
    given, _, started, _ = start(tmp_path, "ctc", told, is_frozen=True)
    mean = given["head.fc2.weight"][:, [0, 2, 3, 4]].mean(axis=1)
    assert np.allclose(started["head.fc2.weight"][:, 4], mean)
    assert np.allclose(started["head.fc2.weight"][:, 5], mean)


def test_characters_that_nothing_tells_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is of 6 classes here, of 5 there.*under Global\."):
        start(tmp_path, "ctc", GlobalConfig())
    # A head of its own on request, which whoever loads it leaves out.
    given, _, started, note = start(tmp_path, "ctc", GlobalConfig(allow_resized_head=True))
    assert note is None
    assert np.array_equal(started["head.fc2.bias"], given["head.fc2.bias"])


def test_a_dictionary_of_another_length_is_refused(tmp_path: Path, told: GlobalConfig) -> None:
    Path(str(told.pretrained_dictionary)).write_text("a\nb\n")
    with pytest.raises(CheckpointError, match="to have 4 characters, or 3 that a space follows"):
        start(tmp_path, "ctc", told)


def test_a_space_behind_the_dictionary_is_told_by_the_number_of_classes(
    tmp_path: Path, told: GlobalConfig
) -> None:
    Path(str(told.pretrained_dictionary)).write_text("c\nb\na\n")
    *_, note = start(tmp_path, "ctc", told)
    assert note is not None and "3 of 5 characters" in note


@pytest.mark.parametrize("is_known", [True, False])
def test_states_beside_the_weights_tell(tmp_path: Path, is_known: bool) -> None:
    states = remembered(OLD, {"Student": OLD, "Teacher": NEW}) if is_known else {"epoch": 1}
    (tmp_path / "w.states").write_bytes(dump_pickle(states))
    if is_known:
        *_, note = start(tmp_path, "ctc", GlobalConfig())
        assert note is not None and note.endswith("(by " + str(tmp_path / "w.states") + ")")
    else:
        with pytest.raises(CheckpointError, match="nothing says"):
            start(tmp_path, "ctc", GlobalConfig())


def test_a_checkpoint_remembers_the_characters_of_each_network() -> None:
    found = remembered(OLD, {"Student": OLD, "Teacher": NEW})["characters"]
    assert found == {"": ["d", "c", "b", "a"], "Teacher": ["a", "b", "c", "x", "y"]}


def test_characters_listed_twice_are_paired_from_the_last(tmp_path: Path) -> None:
    dictionary = tmp_path / "twice.txt"
    dictionary.write_text("a\nb\na\nc\n")
    given, _, started, _ = start(
        tmp_path, "ctc", GlobalConfig(pretrained_dictionary=str(dictionary))
    )
    assert np.array_equal(started["head.fc2.weight"][:, 1], given["head.fc2.weight"][:, 3])


SHIPPED = Path(__file__).resolve().parents[3]


def test_the_shipped_model_is_told_by_the_file_that_holds_its_head(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Two characters more, one less: the Teacher too, and nothing has to be named."""
    from training.config import load_config

    lines = (SHIPPED / "configs/latin_dict.txt").read_text("utf-8").splitlines()
    dictionary = tmp_path / "mine.txt"
    dictionary.write_text("\n".join(["ⱥ", *lines[1:], "ǵ", ""]), "utf-8")
    weights = SHIPPED / "models/latin/student.pdparams"
    config = load_config(
        SHIPPED / "configs/fine_tune.yml",
        [
            f"Global.character_dict_path={dictionary}",
            *(
                f"Architecture.Models.{name}.pretrained={weights}"
                for name in ("Teacher", "Student")
            ),
        ],
    )
    caplog.set_level(logging.INFO)
    run_of(read_plan(config, data=()))
    assert caplog.text.count("start fresh (ǵ ⱥ)") == 2
    assert "218 of 220 characters keep their classes" in caplog.text
    assert "student.onnx)" in caplog.text


def test_a_dictionary_that_is_not_there_is_found_before_anything_is_built() -> None:
    config = config_of({"": TINY})
    config.sections["Global"]["pretrained_dictionary"] = "nowhere.txt"
    config.sections["Architecture"]["pretrained_dictionary"] = 3
    with pytest.raises(ConfigError) as error:
        read_plan(config)
    assert "Global.pretrained_dictionary: cannot read the dictionary nowhere.txt" in str(
        error.value
    )
    assert "Architecture.pretrained_dictionary: expected a dictionary's path, got 3" in str(
        error.value
    )


def test_a_run_says_what_became_of_the_classes(
    tmp_path: Path, told: GlobalConfig, caplog: pytest.LogCaptureFixture
) -> None:
    """Through a config: weights of four characters start a run of 36 digits and letters."""
    config = config_of({"": TINY})
    config.sections["Architecture"]["pretrained"] = str(tmp_path / "old.pdparams")
    config.sections["Architecture"]["pretrained_dictionary"] = told.pretrained_dictionary
    given = arrays_of(build_model({**TINY, "Head": multi_head()}, OLD.num_classes))
    write_parameters(tmp_path / "old.pdparams", given)
    caplog.set_level(logging.INFO)
    run = run_of(read_plan(config))
    kept = run.main_network.head.ctc_head.fc.weight.numpy()
    assert np.array_equal(kept[:, 11], given["head.ctc_head.fc.weight"][:, 4])
    assert (
        "4 of 36 characters keep their classes, 32 start fresh (0 1 2 3 4 5 6 7 and 24 more)"
        in (caplog.text)
    )
    assert " 0 missing, 0 of another shape, 0 not used" in caplog.text
