"""Networks are fitted to the run: time steps follow the width, classes are found by character."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from runtime.recognition.charset import Charset, build_charset
from tests.training.recognition.plans import config_of, pair_of, problems
from training.config import Config
from training.distillation.model import DistillationModel
from training.loop.parallel import Group
from training.loop.trainer import tensors_of
from training.networks import ModelPlan
from training.plan import read_plan
from training.recognition.class_map import ClassMap
from training.recognition.labels import NRTRLabelEncode
from training.recognition.network import RecognitionNetwork
from training.run import Run, run_of

TINY = {"Backbone": {"name": "PPLCNetV4", "model_size": "tiny"}}
OWN = "321abcX"
"""Six of the digits and lower-case letters of the run in another order, and one besides."""
PAIR = {"weight": 1.0, "model_name_pairs": [["Student", "Teacher"]], "key": "head_out"}
GTC = {**PAIR, "multi_head": True, "dis_head": "gtc"}
LEARNS = {"weight": 1.0, "model_name_list": ["Student"], "key": "head_out", "multi_head": True}


def build(config: Config) -> Run:
    return run_of(read_plan(config))


# Time steps.


def steps(run: Run, width: int, height: int = 48) -> int:
    """T that the losses see of an image in training."""
    run.model.train()
    outputs = run.model(paddle.zeros([2, 3, height, width]))
    return int(outputs["ctc"].shape[1])


@pytest.mark.parametrize("scales", [None, [[320, 32], [320, 48], [320, 64]]])
def test_batches_of_several_widths_have_as_many_steps_as_when_deployed(scales: Any) -> None:
    run = build(config_of({"": TINY}, scales=scales))
    for width in (32, 160, 320):
        assert steps(run, width) == width // 8
        run.model.eval()
        with paddle.no_grad():
            assert run.model(paddle.zeros([1, 3, 48, width])).shape[1] == width // 8
    if scales is not None:
        assert steps(run, 160, height=32) == steps(run, 160, height=64) == 20


def test_what_is_padded_to_one_width_has_paddleocr_s_40_steps() -> None:
    run = build(config_of({"": TINY}, width_step=0))
    for width in (32, 160, 320):
        assert steps(run, width) == 40
    run.model.eval()
    with paddle.no_grad():
        assert run.model(paddle.zeros([1, 3, 48, 160])).shape[1] == 20


# Dictionaries.


@pytest.fixture
def dictionary(tmp_path: Path) -> Path:
    file = tmp_path / "own.txt"
    file.write_text("\n".join(OWN) + "\n", encoding="utf-8")
    return file


def teacher(dictionary: Any, **changes: Any) -> dict[str, Any]:
    return {**TINY, "freeze_params": True, "character_dict_path": dictionary, **changes}


def distillation(dictionary: Path, tmp_path: Path) -> Config:
    """The losses of PP-OCRv6's distillation, from a teacher with another dictionary."""
    config = pair_of(TINY, teacher(str(dictionary), pretrained=str(tmp_path / "teacher")))
    config.sections["Loss"]["loss_config_list"] = [
        {"DistillationDKDLoss": {**GTC, "weight": 0.1, "beta": 2.0}},
        {"DistillationCTCLoss": LEARNS},
        {"DistillationNRTRLoss": {**LEARNS, "smoothing": False}},
        {"DistillCTCLogits": PAIR},
    ]
    (tmp_path / "teacher.pdparams").write_bytes(b".")
    return config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"freeze_params": False},
            "a network with a dictionary of its own cannot learn the run's labels: expected "
            "freeze_params: true",
        ),
        ({"character_dict_path": "/nowhere/own.txt"}, "/nowhere/own.txt"),
        ({"character_dict_path": 7}, "expected a dictionary's path, got 7"),
    ],
)
def test_a_dictionary_that_cannot_be_a_teacher_s(
    dictionary: Path, change: dict[str, Any], message: str
) -> None:
    config = pair_of(TINY, teacher(str(dictionary), **change))
    config.sections["Global"]["pretrained_model"] = None
    lines = [line for line in problems(config) if "starts at random" not in line]
    assert len(lines) == 1
    assert "Architecture.Models.Teacher.character_dict_path: " in lines[0] and message in lines[0]


def test_a_whole_distillation_from_another_dictionary(
    dictionary: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = distillation(dictionary, tmp_path)
    plan = read_plan(config)
    assert isinstance(plan.model, ModelPlan)
    model = plan.model.build(plan.task.num_classes_of)
    assert isinstance(model, DistillationModel)
    own = build_charset(str(dictionary), use_space_char=False)
    assert own == Charset(tuple(OWN))
    networks = model.networks
    assert networks["Teacher"].head.ctc_head.out_channels == own.num_classes == 8
    assert networks["Student"].head.ctc_head.out_channels == 37

    with caplog.at_level(logging.INFO, logger="training"):
        plan.task.fit(networks, plan)
    said = "Teacher has a dictionary of its own: it knows 6 of 36 characters; not 0 4 5 6 7 8 9 d"
    assert caplog.messages == [f"{said} and 22 more"]
    taught, student = networks["Teacher"], networks["Student"]
    assert isinstance(taught, RecognitionNetwork) and isinstance(student, RecognitionNetwork)
    assert taught.class_map is not None and student.class_map is None

    run = Run(plan, model, plan.loss.build(), None, None)
    part = run.data("Train")
    batching = part.batching.fitted_to(student)
    planned = batching.plan(0)[0]
    loaded = part.dataset.load_batch(planned, 0)
    tensors = tensors_of(batching.training_batch(loaded, Group(), planned.size))
    model.train()
    outputs = model(tensors["image"], tensors)
    check_classes(taught, taught.class_map, outputs["Teacher"]["head_out"], tensors)
    losses = run.loss(outputs, tensors)
    parts = {"dkd_0", "loss_ctc_Student_0", "loss_nrtr_Student_0", "ctc_logits_0", "loss"}
    assert losses.keys() == parts
    assert all(np.isfinite(float(value)) for value in losses.values())
    assert float(losses["dkd_0"]) > 0 and float(losses["ctc_logits_0"]) > 0
    losses["loss"].backward()
    assert all(parameter.grad is None for parameter in taught.parameters())
    learned = [name for name, value in student.named_parameters() if value.grad is not None]
    assert len(learned) > 50 and "head.ctc_head.fc.weight" in learned


def check_classes(
    network: RecognitionNetwork, class_map: ClassMap, given: Any, batch: dict[str, paddle.Tensor]
) -> None:
    """Hold logits in the run's classes against those that the network itself gives."""
    own, shared = class_map.own, class_map.shared
    # The labels as its own dictionary encodes them, where it knows their characters.
    labels = batch["label_gtc"].numpy()
    encode = NRTRLabelEncode(own)
    for row, label in enumerate(batch["label_ctc"].numpy()):
        text = shared.text_of(label[label != 0].tolist())
        known = "".join(character for character in text if character in own.class_of)
        encoded = encode.encode(known, labels.shape[1])
        classes = iter(encoded[1 : 1 + len(known)].tolist())
        for place, character in enumerate(text):
            labels[row, 1 + place] = next(classes) if character in own.class_of else 1
    network.class_map = None
    raw = network(batch["image"], {**batch, "label_gtc": paddle.to_tensor(labels)}, True)
    network.class_map = class_map
    for output, special in (("ctc", 1), ("gtc", 4)):
        mapped, logits = given[output].numpy(), raw["head_out"][output].numpy()
        assert mapped.shape[-1] == len(shared.characters) + special + (output == "gtc")
        assert (mapped[..., :special] == logits[..., :special]).all()
        for index, character in enumerate(shared.characters):
            of_class = mapped[..., special + index]
            if character in own.class_of:
                assert (of_class == logits[..., special - 1 + own.class_of[character]]).all()
            else:
                assert (of_class <= logits.min(axis=-1) - 10).all()
