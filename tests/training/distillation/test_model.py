"""Several networks on one image: freezing, mutual teaching, equal and different structures."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import paddle
import pytest

from training import build_loss, build_model
from training.checkpoint.parameters import arrays_of
from training.networks import DistillationModel

NUM_CLASSES = 6
Section = Callable[..., dict[str, Any]]
MOBILE_NET_V3 = {
    "name": "MobileNetV3",
    "model_name": "small",
    "scale": 0.35,
    "small_stride": [1, 2, 2, 2],
}


@pytest.fixture(scope="module")
def batch() -> dict[str, Any]:
    paddle.seed(7)
    labels = paddle.to_tensor([[1, 2], [3, 0], [5, 4]])
    lengths = paddle.to_tensor([2, 1, 2])
    return {"image": paddle.randn([3, 3, 32, 32]), "label": labels, "length": lengths}


def distillation(**networks: dict[str, Any]) -> DistillationModel:
    architecture = {"name": "DistillationModel", "model_type": "rec", "Models": networks}
    before = copy.deepcopy(architecture)
    paddle.seed(5)
    model = build_model(architecture, NUM_CLASSES)
    assert architecture == before
    assert isinstance(model, DistillationModel)
    return model


def part(name: str, *pairs: list[str], **options: Any) -> dict[str, Any]:
    return {f"Distillation{name}": {"weight": 1.0, "model_name_pairs": list(pairs), **options}}


def loss_of(trained: list[str], *parts: dict[str, Any]) -> Any:
    ctc = {"weight": 1.0, "model_name_list": trained, "key": "head_out"}
    return build_loss(
        {"name": "CombinedLoss", "loss_config_list": [{"DistillationCTCLoss": ctc}, *parts]}
    )


def train(
    model: DistillationModel, loss: Any, batch: dict[str, Any], steps: int = 2
) -> dict[str, Any]:
    """Some steps; returns the last losses."""
    free = [parameter for parameter in model.parameters() if parameter.trainable]
    optimizer = paddle.optimizer.Adam(0.01, parameters=free)
    model.train()
    for _ in range(steps):
        losses = loss(model(batch["image"]), batch)
        losses["loss"].backward()
        optimizer.step()
        optimizer.clear_grad()
    return {name: float(value) for name, value in losses.items()}


DML = {"act": "softmax", "use_log": True, "key": "head_out"}


@pytest.mark.parametrize(
    "part_of_teacher",
    [
        part("DMLLoss", ["Student", "Teacher"], **DML),
        part("DMLLoss", ["Student", "Teacher"], **{**DML, "use_log": False}),
        part("KLDivLoss", ["Student", "Teacher"], key="head_out"),
        part("DistanceLoss", ["Student", "Teacher"], key="backbone_out"),
    ],
)
def test_a_frozen_teacher_stays_bit_for_bit(
    tiny_network: Section, batch: dict[str, Any], part_of_teacher: dict[str, Any]
) -> None:
    model = distillation(Teacher=tiny_network(freeze_params=True), Student=tiny_network())
    before = arrays_of(model)
    losses = train(model, loss_of(["Student"], part_of_teacher), batch)
    assert all(np.isfinite(value) for value in losses.values())
    after = arrays_of(model)
    for name, array in after.items():
        is_same = array.tobytes() == before[name].tobytes()
        if name.startswith("Teacher."):
            assert is_same, name
        elif name.endswith(("_conv.weight", "_mean")):
            assert not is_same, name
    assert all(parameter.grad is None for parameter in model.networks["Teacher"].parameters())


def test_what_a_frozen_teacher_says_reaches_the_student(
    tiny_network: Section, batch: dict[str, Any]
) -> None:
    model = distillation(Teacher=tiny_network(freeze_params=True), Student=tiny_network())
    model.train()
    outputs = model(batch["image"])
    loss = build_loss(
        {
            "name": "CombinedLoss",
            "loss_config_list": [part("KLDivLoss", ["Student", "Teacher"], key="head_out")],
        }
    )
    loss(outputs, batch)["loss"].backward()
    gradients = [parameter.grad for parameter in model.networks["Student"].head.parameters()]
    assert all(float(gradient.abs().max()) > 0 for gradient in gradients)


def test_three_networks_of_one_structure_teach_each_other(
    tiny_network: Section, batch: dict[str, Any]
) -> None:
    names = ["Teacher", "Student", "Student2"]
    model = distillation(**{name: tiny_network() for name in names})
    pairs = [["Student", "Teacher"], ["Student2", "Teacher"], ["Student", "Student2"]]
    loss = loss_of(
        names,
        part("DMLLoss", *pairs, **DML),
        part("DistanceLoss", *pairs, key="backbone_out", mode="l2"),
    )
    before = arrays_of(model)
    losses = train(model, loss, batch)
    assert {f"dml_{index}" for index in range(3)} <= set(losses)
    assert {f"loss_ctc_{name}_{index}" for index, name in enumerate(names)} <= set(losses)
    assert losses["loss"] == pytest.approx(
        sum(value for name, value in losses.items() if name != "loss"), rel=1e-5
    )
    for name, array in arrays_of(model).items():
        if name.endswith("_conv.weight"):
            assert (array != before[name]).any(), name


def test_three_networks_of_different_structures(
    tiny_network: Section, batch: dict[str, Any]
) -> None:
    names = ["Teacher", "Student", "Student2"]
    model = distillation(
        Teacher=tiny_network(Backbone=MOBILE_NET_V3, freeze_params=True),
        Student=tiny_network(Head={"name": "CTCHead"}),
        Student2=tiny_network(
            Neck={"name": "SequenceEncoder", "encoder_type": "fc", "hidden_size": 12}
        ),
    )
    pairs = [["Student", "Teacher"], ["Student", "Student2"]]
    losses = train(model, loss_of(names[1:], part("DMLLoss", *pairs, **DML)), batch)
    assert all(np.isfinite(value) for value in losses.values())
    assert list(losses) == [
        "loss_ctc_Student_0",
        "loss_ctc_Student2_1",
        "dml_0",
        "dml_1",
        "loss",
    ]


def test_every_head_has_all_classes(tiny_network: Section) -> None:
    model = distillation(Teacher=tiny_network(), Student=tiny_network(Head={"name": "CTCHead"}))
    heads = [network.head.out_channels for network in model.networks.values()]
    assert heads == [NUM_CLASSES, NUM_CLASSES]


def test_evaluation_gives_probabilities_and_training_form_gives_stages(
    tiny_network: Section, batch: dict[str, Any]
) -> None:
    model = distillation(
        Teacher=tiny_network(freeze_params=True), Student=tiny_network(return_all_feats=False)
    )
    model.eval()
    outputs = model(batch["image"])
    assert list(outputs) == ["Teacher", "Student"]
    assert list(outputs["Teacher"]) == ["head_out"]
    assert np.allclose(outputs["Student"].numpy().sum(-1), 1, atol=1e-5)
    outputs = model(batch["image"], training_form=True)
    assert list(outputs["Teacher"]) == ["backbone_out", "neck_out", "head_out"]
    model.train()
    assert model.training and model.networks["Student"].training
    assert not model.networks["Teacher"].training


def test_centre_loss_on_one_network_with_features(
    tiny_network: Section, batch: dict[str, Any]
) -> None:
    head = {"name": "CTCHead", "mid_channels": 8, "return_feats": True}
    network = build_model(tiny_network(Head=head, return_all_feats=False), NUM_CLASSES)
    network.train()
    options = {"weight": 0.05, "num_classes": NUM_CLASSES, "feat_dim": 8}
    loss = build_loss(
        {
            "name": "CombinedLoss",
            "loss_config_list": [{"CTCLoss": {"weight": 1.0}}, {"CenterLoss": options}],
        }
    )
    losses = loss(network(batch["image"]), batch)
    losses["loss"].backward()
    assert list(losses) == ["loss_ctc", "loss_center", "loss"]
    assert float(network.head.fc1.weight.grad.abs().max()) > 0


def test_a_network_left_out_in_training_is_still_evaluated(tiny_network):
    model = build_model(
        {"Models": {"Student": tiny_network(), "Teacher": tiny_network(freeze_params=True)}}, 5
    )
    model.leave_out_in_training({"Teacher"})
    images = paddle.zeros([1, 3, 32, 64])
    model.train()
    assert set(model(images)) == {"Student"}
    model.eval()
    assert set(model(images)) == {"Student", "Teacher"}
    assert set(model(images, training_form=True)) == {"Student", "Teacher"}
