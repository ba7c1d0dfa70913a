"""What a config describes, built: parts that fit each other, weights from where it says."""

from __future__ import annotations

import copy
import logging
from pathlib import Path

import numpy as np
import paddle
import pytest

from runtime.errors import CheckpointError, ConfigError
from training import build_model
from training.checkpoint.parameters import arrays_of, write_parameters
from training.config import Config, GlobalConfig, load_config
from training.networks import DistillationModel
from training.recognition.batches import time_stride_px
from training.run import Run, build_run, choose_device

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SMALL = [
    "Global.pretrained_model=null",
    f"Global.character_dict_path={CONFIGS / 'small_dict.txt'}",
    *(
        f"Architecture.Models.{name}.{option}"
        for name in ("Teacher", "Student")
        for option in ("Backbone.scale=0.125", "Neck.hidden_size=8", "Head.mid_channels=8")
    ),
]


def small(*overrides: str) -> Config:
    return load_config(CONFIGS / "small.yml", [*SMALL, *overrides])


@pytest.fixture(scope="module")
def run() -> Run:
    return build_run(small())


def test_parts_fit_and_the_config_stays(run: Run) -> None:
    config = small()
    before = copy.deepcopy(config.sections)
    again = build_run(config)
    assert config.sections == before
    assert isinstance(run.model, DistillationModel)
    assert {network.head.out_channels for network in run.model.networks.values()} == {
        run.task.num_classes
    }
    assert run.main_network is run.model.networks["Student"]
    first, second = arrays_of(run.model), arrays_of(again.model)
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_parameter_names_do_not_depend_on_what_was_built_before(run: Run) -> None:
    # The optimizer's state is stored under them.
    names = [parameter.name for parameter in run.model.parameters()]
    assert [parameter.name for parameter in build_run(small()).model.parameters()] == names


def test_another_seed_gives_other_weights(run: Run) -> None:
    first, second = arrays_of(run.model), arrays_of(build_run(small("Global.seed=7")).model)
    name = "Student.head.fc2.weight"
    assert not np.array_equal(first[name], second[name])


def test_a_wrong_config_is_refused_before_building() -> None:
    with pytest.raises(ConfigError, match=r"-o Metric\.key: unknown network"):
        build_run(small("Metric.key=Pupil"))


@pytest.fixture(scope="module")
def checkpoints(run: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The whole model, its Student alone, and a Student with another head; all ones."""
    folder = tmp_path_factory.mktemp("checkpoints")
    whole = {name: np.ones_like(array) for name, array in arrays_of(run.model).items()}
    alone = {
        name.removeprefix("Student."): array
        for name, array in whole.items()
        if name.startswith("Student.")
    }
    other = dict(alone)
    for name in ("head.fc2.weight", "head.fc2.bias"):
        other[name] = np.ones((*alone[name].shape[:-1], 3), np.float32)
    files = {}
    for name, parameters in {"whole": whole, "alone": alone, "other": other}.items():
        files[name] = folder / f"{name}.pdparams"
        write_parameters(files[name], parameters)
    return files


def is_one(run: Run, network: str) -> bool:
    assert isinstance(run.model, DistillationModel)
    return all((array == 1).all() for array in arrays_of(run.model.networks[network]).values())


def test_pretrained_model_is_for_the_whole(checkpoints: dict[str, Path]) -> None:
    built = build_run(small(f"Global.pretrained_model={checkpoints['whole']}"))
    assert is_one(built, "Teacher") and is_one(built, "Student")
    with pytest.raises(CheckpointError, match="too little fits"):
        build_run(small(f"Global.pretrained_model={checkpoints['alone']}"))


@pytest.mark.parametrize("file", ["whole", "alone"])
def test_a_network_s_own_pretrained(
    checkpoints: dict[str, Path], file: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    built = build_run(small(f"Architecture.Models.Teacher.pretrained={checkpoints[file]}"))
    assert is_one(built, "Teacher") and not is_one(built, "Student")
    assert f"Architecture.Models.Teacher.pretrained {checkpoints[file]}: " in caplog.text
    assert " loaded, 0 missing, 0 of another shape, 0 not used" in caplog.text


def test_another_dictionary_only_on_request(checkpoints: dict[str, Path]) -> None:
    override = f"Architecture.Models.Student.pretrained={checkpoints['other']}"
    message = (
        r"head\.fc2\.bias is of [0-9]+ classes here, of 3 there.*Global\.pretrained_dictionary"
    )
    with pytest.raises(CheckpointError, match=message):
        build_run(small(override))
    built = build_run(small(override, "Global.allow_resized_head=true"))
    assert not is_one(built, "Student")
    assert (built.main_network.head.fc1.weight.numpy() == 1).all()


def test_one_network_by_itself(
    checkpoints: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    section = small().sections["Architecture"]["Models"]["Student"]
    section |= {"pretrained": str(checkpoints["alone"]), "return_all_feats": False}
    sections = {
        **small().sections,
        "Architecture": section,
        "Loss": {"name": "CTCLoss"},
        "PostProcess": {"name": "CTCLabelDecode"},
        "Metric": {"name": "RecMetric"},
    }
    built = build_run(Config(None, sections))
    assert " loaded, 0 missing, 0 of another shape, 0 not used" in caplog.text
    assert (built.main_network.head.fc1.weight.numpy() == 1).all()


def test_a_missing_gpu_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    if paddle.is_compiled_with_cuda():
        pytest.skip("this paddle has a GPU")
    assert choose_device(GlobalConfig(use_gpu=True, use_amp=True)) == "Place(cpu)"
    assert "use_gpu is true but paddle sees no GPU" in caplog.text
    assert "use_amp needs a GPU" in caplog.text


@pytest.mark.parametrize(("option", "stride"), [("scale=0.125", 4), ("last_conv_stride=[1, 2]", 8)])
def test_pixels_per_time_step(option: str, stride: int) -> None:
    config = small(f"Architecture.Models.Student.Backbone.{option}")
    model = build_model(config.sections["Architecture"], 5)
    assert isinstance(model, DistillationModel)
    network = model.networks["Student"]
    network.train()
    assert time_stride_px(network, 32) == stride
    assert network.training
