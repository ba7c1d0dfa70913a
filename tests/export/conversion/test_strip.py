"""The Student out of the whole."""

import numpy as np
import pytest

from export.conversion.strip import network_probabilities, strip
from runtime.errors import ArtifactError, CheckpointError, ConfigError, ParityError
from runtime.recognition.charset import Charset
from training.checkpoint.parameters import read_parameters, write_parameters

DIGITS = Charset(tuple("0123456789 "))


def test_the_stripped_student_is_the_student_inside_the_whole(small_config, checkpoint):
    stripped = strip(small_config, DIGITS, checkpoint, "Student", 32)
    whole = read_parameters(checkpoint)
    assert {f"Student.{name}" for name in stripped.parameters} == {
        name for name in whole if name.startswith("Student.")
    }
    for name, array in stripped.parameters.items():
        assert np.array_equal(array, whole[f"Student.{name}"])
    assert set(stripped.counts) == {"Teacher", "Student"}
    assert stripped.counts["Teacher"] > stripped.counts["Student"]


def test_any_network_can_be_taken_and_a_folder_means_its_best(small_config, checkpoint):
    teacher = strip(small_config, DIGITS, checkpoint.parent, "Teacher", 32)
    student = strip(small_config, DIGITS, checkpoint, "Student", 32)
    images = np.zeros((1, 3, 32, 64), np.float32)
    assert not np.array_equal(
        network_probabilities(teacher.network)(images),
        network_probabilities(student.network)(images),
    )


def test_a_checkpoint_that_already_is_one_network_is_recognised(small_config, checkpoint, tmp_path):
    first = strip(small_config, DIGITS, checkpoint, "Student", 32)
    write_parameters(tmp_path / "student.pdparams", first.parameters)
    again = strip(small_config, DIGITS, tmp_path / "student.pdparams", "Student", 32)
    images = np.random.default_rng(0).uniform(-1, 1, (2, 3, 32, 96)).astype(np.float32)
    assert np.array_equal(
        network_probabilities(first.network)(images), network_probabilities(again.network)(images)
    )


def test_a_stripped_network_that_computes_something_else_is_refused(
    small_config, checkpoint, monkeypatch
):
    from export.conversion import strip as room

    honest = room.load_into

    def swapped(layer, parameters, where, **options):
        if "head.fc2.bias" in parameters:
            parameters = {**parameters, "head.fc2.bias": parameters["head.fc2.bias"] + 1e-3}
        return honest(layer, parameters, where, **options)

    monkeypatch.setattr(room, "load_into", swapped)
    with pytest.raises(ParityError, match="same bits"):
        strip(small_config, DIGITS, checkpoint, "Student", 32)


def test_unknown_network_missing_name_and_wrong_dictionary_are_named(
    small_config, checkpoint, tmp_path
):
    with pytest.raises(ConfigError, match="did you mean Student"):
        strip(small_config, DIGITS, checkpoint, "Studnet", 32)
    with pytest.raises(ArtifactError, match="use_space_char"):
        strip(small_config, Charset(tuple("0123456789")), checkpoint, "Student", 32)
    parameters = read_parameters(checkpoint)
    del parameters["Student.backbone.conv1._conv.weight"]
    write_parameters(tmp_path / "broken.pdparams", parameters)
    with pytest.raises(CheckpointError, match=r"1 missing.*backbone\.conv1\._conv\.weight"):
        strip(small_config, DIGITS, tmp_path / "broken.pdparams", "Student", 32)
    with pytest.raises(CheckpointError, match=r"holds broken\.pdparams"):
        strip(small_config, DIGITS, tmp_path / "nothing", "Student", 32)


def test_the_stripped_student_is_where_fine_tuning_without_distillation_starts(
    small_config, checkpoint, tmp_path
):
    from training.checkpoint.parameters import arrays_of
    from training.config import GlobalConfig
    from training.networks import build_model
    from training.run import load_pretrained

    stripped = strip(small_config, DIGITS, checkpoint, "Student", 32)
    write_parameters(tmp_path / "student.pdparams", stripped.parameters)
    architecture = small_config.sections["Architecture"]["Models"]["Student"]
    model = build_model({**architecture, "return_all_feats": False}, DIGITS.num_classes)
    settings = GlobalConfig(pretrained_model=str(tmp_path / "student"))
    (report,) = load_pretrained(model, architecture, settings)
    assert not report.missing and not report.unused
    for name, array in arrays_of(model).items():
        assert np.array_equal(array, stripped.parameters[name])
