"""The Student out of the whole."""

from pathlib import Path

import numpy as np
import paddle
import pytest

from export.conversion.strip import deployed_outputs, strip
from runtime.errors import ArtifactError, CheckpointError, ConfigError, ParityError
from tests.training.recognition.plans import config_of
from training.backbones import reparameterise as merging
from training.checkpoint.loading import load_into
from training.checkpoint.parameters import arrays_of, read_parameters, write_parameters
from training.config import Config
from training.plan import DeployedPlan, read_deployed_plan


@pytest.fixture(scope="module")
def plan(small_config):
    return read_deployed_plan(small_config)


def test_the_stripped_student_is_the_student_inside_the_whole(plan, checkpoint):
    stripped = strip(plan, checkpoint, "Student")
    whole = read_parameters(checkpoint)
    assert {f"Student.{name}" for name in stripped.parameters} == {
        name for name in whole if name.startswith("Student.")
    }
    for name, array in stripped.parameters.items():
        assert np.array_equal(array, whole[f"Student.{name}"])
    assert set(stripped.counts) == {"Teacher", "Student"}
    assert stripped.counts["Teacher"] > stripped.counts["Student"]


def test_any_network_can_be_taken_and_a_folder_means_its_best(plan, checkpoint):
    teacher = strip(plan, checkpoint.parent, "Teacher")
    student = strip(plan, checkpoint, "Student")
    images = np.zeros((1, 3, 32, 64), np.float32)
    assert not np.array_equal(
        deployed_outputs(teacher.network)(images),
        deployed_outputs(student.network)(images),
    )


def test_a_checkpoint_that_already_is_one_network_is_recognised(plan, checkpoint, tmp_path):
    first = strip(plan, checkpoint, "Student")
    write_parameters(tmp_path / "student.pdparams", first.parameters)
    again = strip(plan, tmp_path / "student.pdparams", "Student")
    images = np.random.default_rng(0).uniform(-1, 1, (2, 3, 32, 96)).astype(np.float32)
    assert np.array_equal(
        deployed_outputs(first.network)(images), deployed_outputs(again.network)(images)
    )


def test_a_stripped_network_that_computes_something_else_is_refused(plan, checkpoint, monkeypatch):
    from export.conversion import strip as room

    honest = room.load_into

    def swapped(layer, parameters, where, **options):
        if "head.fc2.bias" in parameters:
            parameters = {**parameters, "head.fc2.bias": parameters["head.fc2.bias"] + 1e-3}
        return honest(layer, parameters, where, **options)

    monkeypatch.setattr(room, "load_into", swapped)
    with pytest.raises(ParityError, match="same bits"):
        strip(plan, checkpoint, "Student")


def test_unknown_network_missing_name_and_wrong_dictionary_are_named(
    small_config, plan, checkpoint, tmp_path
):
    with pytest.raises(ConfigError, match="did you mean Student"):
        strip(plan, checkpoint, "Studnet")
    section = {**small_config.sections["Global"], "use_space_char": False}
    without_space = read_deployed_plan(Config(None, {**small_config.sections, "Global": section}))
    with pytest.raises(ArtifactError, match="use_space_char"):
        strip(without_space, checkpoint, "Student")
    parameters = read_parameters(checkpoint)
    del parameters["Student.backbone.conv1._conv.weight"]
    write_parameters(tmp_path / "broken.pdparams", parameters)
    with pytest.raises(CheckpointError, match=r"1 missing.*backbone\.conv1\._conv\.weight"):
        strip(plan, tmp_path / "broken.pdparams", "Student")
    with pytest.raises(CheckpointError, match=r"holds broken\.pdparams"):
        strip(plan, tmp_path / "nothing", "Student")


def test_the_stripped_student_is_where_fine_tuning_without_distillation_starts(
    small_config, plan, checkpoint, tmp_path
):
    from training.run import build_run

    stripped = strip(plan, checkpoint, "Student")
    write_parameters(tmp_path / "student.pdparams", stripped.parameters)
    student = small_config.sections["Architecture"]["Models"]["Student"]
    sections = {
        **small_config.sections,
        "Global": {
            **small_config.sections["Global"],
            "pretrained_model": str(tmp_path / "student"),
        },
        "Architecture": {**student, "return_all_feats": False},
        "Loss": {"name": "CTCLoss"},
        "PostProcess": {"name": "CTCLabelDecode"},
        "Metric": {"name": "RecMetric"},
    }
    run = build_run(Config(None, sections))
    for name, array in arrays_of(run.model).items():
        assert np.array_equal(array, stripped.parameters[name])


@pytest.fixture(scope="module")
def with_branches(tmp_path_factory) -> tuple[DeployedPlan, Path]:
    """A network of re-parameterised branches and two decoders; its checkpoint."""
    tiny = {"Backbone": {"name": "PPLCNetV4", "model_size": "tiny"}}
    plan = read_deployed_plan(config_of({"": tiny}))
    paddle.seed(2)
    network = plan.model.build(plan.task.num_classes_of)
    rng = np.random.default_rng(2)
    for name, tensor in network.state_dict().items():
        if name.endswith("._mean"):
            tensor.set_value(rng.normal(0, 0.2, tensor.shape).astype("float32"))
        if name.endswith("._variance"):
            tensor.set_value(rng.uniform(0.5, 2, tensor.shape).astype("float32"))
    path = tmp_path_factory.mktemp("branches") / "best_accuracy.pdparams"
    write_parameters(path, arrays_of(network))
    return plan, path


def test_branches_are_merged_and_what_only_training_runs_is_left_out(with_branches, caplog):
    plan, path = with_branches
    with caplog.at_level("INFO", logger="export"):
        stripped = strip(plan, path, "Student")
    assert "only training runs it: head.before_gtc, head.gtc_head" in caplog.text
    assert "output within" in caplog.text
    merged = set(stripped.network.state_dict())
    assert any(name.endswith("rep_dw.reparam_conv.weight") for name in merged)
    apart = stripped.build()  # as it was trained, but for what only training runs
    assert set(apart.state_dict()) < set(stripped.parameters) == set(read_parameters(path))
    assert not any("gtc" in name for name in (*merged, *apart.state_dict()))
    load_into(apart, {name: stripped.parameters[name] for name in apart.state_dict()}, "apart")
    apart.eval()
    images = np.random.default_rng(0).uniform(-1, 1, (2, 3, 48, 96)).astype(np.float32)
    differences = deployed_outputs(apart)(images) - deployed_outputs(stripped.network)(images)
    assert np.abs(differences).max() <= 1e-4


def test_branches_merged_into_something_else_are_refused(with_branches, monkeypatch):
    plan, path = with_branches
    honest = merging.affine
    monkeypatch.setattr(
        merging, "affine", lambda norm: tuple(part * (1 + 1e-4) for part in honest(norm))
    )
    with pytest.raises(ParityError, match="merging layers changed the network's output"):
        strip(plan, path, "Student")


def test_a_checkpoint_without_what_only_training_runs_is_whole(with_branches, tmp_path):
    plan, path = with_branches
    parameters = dict(read_parameters(path))
    bare = {name: array for name, array in parameters.items() if "gtc" not in name}
    assert len(bare) < len(parameters)
    write_parameters(tmp_path / "bare.pdparams", bare)
    whole, stripped = strip(plan, path, "Student"), strip(plan, tmp_path / "bare", "Student")
    assert set(stripped.parameters) == set(bare)
    images = np.random.default_rng(0).uniform(-1, 1, (1, 3, 48, 96)).astype(np.float32)
    assert np.array_equal(
        deployed_outputs(whole.network)(images), deployed_outputs(stripped.network)(images)
    )
