"""Recognisers are taken back from the ONNX files that were exported of them, and train again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import paddle
import pytest
import yaml
from onnx import numpy_helper

from export.chain import Source, spec_of_network, stripped_network
from export.conversion.convert import convert
from export.conversion.program import save_program
from export.conversion.strip import deployed_outputs
from export.recognition.samples import rendered_lines
from export.reversal import chain
from export.reversal.chain import Request, train_again
from runtime.errors import ArtifactError, ConfigError, ParityError
from runtime.recognition.charset import Charset
from tests.export.recognition.test_families_road import KINDS
from tests.training.recognition.plans import config_of
from training.backbones.pplcnet_v3_layers import LearnableAffine
from training.checkpoint.loading import load_into
from training.checkpoint.parameters import arrays_of, read_parameters, write_parameters
from training.config import Config
from training.plan import read_deployed_plan

RNN = {
    "Backbone": {"name": "MobileNetV1Enhance", "scale": 0.125},
    "Neck": {"name": "SequenceEncoder", "encoder_type": "rnn", "hidden_size": 8},
    "Head": {"name": "CTCHead", "mid_channels": 8},
}
NETWORKS = {**KINDS, "rnn": RNN}
QUICK = ("PPLCNetV4", "rnn")
HEIGHT = 48


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Eight lines of digits."""
    folder = tmp_path_factory.mktemp("lines")
    lines, _ = rendered_lines(Charset(tuple("0123456789 ")))
    names = [folder / f"{number}.png" for number in range(8)]
    for name, line in zip(names, lines, strict=False):
        cv2.imwrite(str(name), line)
    return names


def _deploy(name: str, folder: Path) -> tuple[Config, Path]:
    """A config, and the ONNX file of a network of it, random with the statistics of a batch."""
    config = config_of({"": NETWORKS[name]})
    plan = read_deployed_plan(config)
    paddle.seed(2)
    trained = plan.model.build(plan.task.num_classes_of)
    for layer in trained.sublayers():
        if hasattr(layer, "_momentum"):
            layer._momentum = 0.0
        if isinstance(layer, LearnableAffine):  # one that changes nothing is not exported
            layer.scale.set_value(paddle.uniform([1], min=0.9, max=1.1))
            layer.bias.set_value(paddle.uniform([1], min=-0.1, max=0.1))
    if name == "rnn":  # random, it takes all characters for about equally probable
        weight = trained.head.fc2.weight
        weight.set_value(weight * 20)
    trained.train()
    noise = np.random.default_rng(2).uniform(-1, 1, (4, 3, HEIGHT, 160)).astype(np.float32)
    deployed_outputs(trained)(noise)
    checkpoint = folder / "best_accuracy.pdparams"
    write_parameters(checkpoint, arrays_of(trained))
    source = Source(config, checkpoint, "Student")
    stripped = stripped_network(source)
    spec = spec_of_network(source, stripped)
    model = convert(save_program(stripped.network, spec, folder), spec)
    (folder / "student.onnx").write_bytes(model.SerializeToString())
    return config, folder / "student.onnx"


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in NETWORKS
    ],
)
def every_kind(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Config, Path]:
    """Config and ONNX file of a network of each kind."""
    return _deploy(request.param, tmp_path_factory.mktemp("deployed"))


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, Path]:
    """Config and ONNX file of the smallest network."""
    return _deploy("rnn", tmp_path_factory.mktemp("deployed"))


@pytest.fixture
def without_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the last proof out, which takes seconds."""

    def again(source: Source) -> Any:
        plan = source.plan
        network = plan.model.build(plan.task.num_classes_of)
        load_into(network, read_parameters(source.checkpoint), "")
        network.eval()
        return deployed_outputs(network)

    monkeypatch.setattr(chain, "_exported", again)


def test_it_is_the_same_network_and_trains(
    every_kind: tuple[Config, Path], images: list[Path], tmp_path: Path
) -> None:
    config, model = every_kind
    output = tmp_path / "again"
    result = train_again(Request(model, config, images, output))
    assert result["checkpoint"] == f"{output}.pdparams"
    assert result["characters"] == {"kept": 36, "fresh": 0, "left_out": 0, "absent": []}
    proof = result["proof"]
    assert proof["evaluation"]["largest"] <= 1e-4 and proof["exported"]["largest"] <= 1e-4
    assert proof["training"]["largest"] <= 1e-2
    assert proof["step"]["loss_after"] <= proof["step"]["loss_before"] + 0.01
    plan = read_deployed_plan(config)
    network = plan.model.build(plan.task.num_classes_of)
    report = load_into(network, read_parameters(output), "the file")
    assert not report.missing and not report.unused
    # Statistics of the images, not those that only let pass.
    spread = [layer._variance.numpy() for layer in network.sublayers() if hasattr(layer, "_mean")]
    assert spread and np.ptp(np.concatenate(spread)) > 0.01


def test_the_same_command_writes_the_same_bytes(
    deployed: tuple[Config, Path], images: list[Path], tmp_path: Path, without_export: None
) -> None:
    config, model = deployed
    hashes = {
        train_again(Request(model, config, images, tmp_path / name))["weights_sha256"]
        for name in "ab"
    }
    assert len(hashes) == 1


def _with_dictionary(config: Config, folder: Path, characters: str) -> Config:
    file = folder / "dictionary.txt"
    file.write_text("".join(f"{character}\n" for character in characters), encoding="utf-8")
    sections = yaml.safe_load(yaml.safe_dump(dict(config.sections)))
    sections["Global"] |= {"character_dict_path": str(file), "use_space_char": False}
    return Config(None, sections)


def test_its_head_gets_the_characters_of_the_config(
    deployed: tuple[Config, Path], images: list[Path], tmp_path: Path, without_export: None
) -> None:
    """In their order, those that it lacks as improbable as the least."""
    config, model = deployed
    own = "0123456789abcdefghijklmnopqrstuvwxyz"
    changed = _with_dictionary(config, tmp_path, "é" + own[-2::-1])
    result = train_again(Request(model, changed, images, tmp_path / "again"))
    assert result["characters"] == {"kept": 35, "fresh": 1, "left_out": 1, "absent": ["é"]}
    names = ("head.ctc_head.fc.bias", "head.fc2.bias")
    state = read_parameters(tmp_path / "again")
    bias = next(state[name] for name in names if name in state)
    weights = map(numpy_helper.to_array, onnx.load(model).graph.initializer)
    given = next(array.ravel() for array in weights if array.size == 37)
    assert np.array_equal(np.delete(bias, 1), given[[0, *range(35, 0, -1)]])
    assert bias[1] == bias.min()


def test_another_network_is_refused_where_it_differs(
    deployed: tuple[Config, Path], images: list[Path], tmp_path: Path
) -> None:
    _, model = deployed
    other = {**RNN, "Backbone": {"name": "MobileNetV1Enhance", "scale": 0.25}}
    with pytest.raises(ArtifactError, match=r"layers match, then the config has .*Backbone"):
        train_again(Request(model, config_of({"": other}), images, tmp_path / "again"))
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_that_is_there_stays(
    deployed: tuple[Config, Path], images: list[Path], tmp_path: Path
) -> None:
    config, model = deployed
    (tmp_path / "again.pdparams").write_bytes(b"of a long run")
    with pytest.raises(ConfigError, match="a new file"):
        train_again(Request(model, config, images, tmp_path / "again"))
    assert (tmp_path / "again.pdparams").read_bytes() == b"of a long run"


def test_nothing_is_written_that_is_not_proven(
    deployed: tuple[Config, Path],
    images: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config, model = deployed
    monkeypatch.setattr(chain, "_exported", lambda source: lambda batch: np.full(
        (len(batch), batch.shape[3] // 4, 37), 1 / 37, np.float32))  # fmt: skip
    with pytest.raises(ParityError, match="exported again"):
        train_again(Request(model, config, images, tmp_path / "new" / "again"))
    assert not list(tmp_path.iterdir())


def test_batch_norms_that_were_not_measured_are_found(
    deployed: tuple[Config, Path],
    images: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They evaluate right, and normalise away what they pass as soon as they train."""
    config, model = deployed
    monkeypatch.setattr(chain, "calibrate", lambda network, inputs: 0)
    with pytest.raises(ParityError, match="statistics of the batch"):
        train_again(Request(model, config, images, tmp_path / "again"))


def test_images_that_cannot_be_read_are_left_out(
    deployed: tuple[Config, Path],
    images: list[Path],
    tmp_path: Path,
    without_export: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    config, model = deployed
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n")
    result = train_again(Request(model, config, [*images, broken], tmp_path / "again", count=9))
    assert result["images"] == 8
    assert "broken.png" in caplog.text
    with pytest.raises(ConfigError, match="no readable image"):
        train_again(Request(model, config, [broken], tmp_path / "other"))


@pytest.mark.slow
def test_rapidocrs_recogniser_is_taken_back(tmp_path: Path, real_lines: Path) -> None:
    """PP-OCRv6 small with Latin's dictionary, by CTC alone."""
    rapidocr = pytest.importorskip("rapidocr")
    model = Path(rapidocr.__file__).parent / "models" / "PP-OCRv6_rec_small.onnx"
    if not model.is_file():
        pytest.skip(f"rapidocr has no {model.name}")
    from training.config import load_config

    config = load_config(Path("configs/fine_tune_v6_small.yml"))
    pack = real_lines / "sroie_receipts" / "images"
    result = train_again(Request(model, config, [pack], tmp_path / "again", count=8))
    assert result["characters"]["kept"] >= 215
    assert result["layers"] == 71
