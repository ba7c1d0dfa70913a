"""One network: what it returns in each mode and form, and what freezing means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import paddle
import pytest

from training import build_model
from training.recognition.network import RecognitionNetwork

NUM_CLASSES = 6
Section = Callable[..., dict[str, Any]]
HEAD = {"name": "CTCHead", "mid_channels": 8}


@pytest.fixture(scope="module")
def images() -> paddle.Tensor:
    paddle.seed(11)
    return paddle.randn([2, 3, 32, 32])


def network(section: Section, **changes: Any) -> RecognitionNetwork:
    built = build_model(section(**changes), NUM_CLASSES)
    assert isinstance(built, RecognitionNetwork)
    return built


def test_all_stages_in_training_and_the_head_alone_in_evaluation(
    tiny_network: Section, images: paddle.Tensor
) -> None:
    built = network(tiny_network)
    built.train()
    outputs = built(images)
    assert {name: output.shape for name, output in outputs.items()} == {
        "backbone_out": [2, 128, 1, 8],
        "neck_out": [2, 8, 16],
        "head_out": [2, 8, NUM_CLASSES],
    }
    built.eval()
    outputs = built(images)
    assert list(outputs) == ["head_out"]
    assert np.allclose(outputs["head_out"].numpy().sum(-1), 1, atol=1e-5)


def test_without_all_stages_the_bare_tensor(tiny_network: Section, images: paddle.Tensor) -> None:
    built = network(tiny_network, return_all_feats=False)
    built.train()
    assert built(images).shape == [2, 8, NUM_CLASSES]
    built.eval()
    logits, probabilities = built(images, training_form=True), built(images)
    softmax = paddle.nn.functional.softmax(logits, axis=2)
    assert np.allclose(probabilities.numpy(), softmax.numpy(), atol=1e-6)
    assert bool((built.deployed(images) == probabilities).all())


@pytest.mark.parametrize("head", [HEAD, {"name": "CTCHead"}])
def test_features_beside_logits(
    tiny_network: Section, images: paddle.Tensor, head: dict[str, Any]
) -> None:
    built = network(tiny_network, Head={**head, "return_feats": True})
    built.train()
    outputs = built(images)
    features, logits = outputs["head_out"]
    assert list(outputs) == ["backbone_out", "neck_out", "head_out"]
    assert features.shape == [2, 8, head.get("mid_channels", 16)]
    assert logits.shape == [2, 8, NUM_CLASSES]
    built.eval()
    assert built(images)["head_out"].shape == [2, 8, NUM_CLASSES]
    bare = network(tiny_network, Head={**head, "return_feats": True}, return_all_feats=False)
    bare.train()
    assert [one.shape[-1] for one in bare(images)] == [features.shape[-1], NUM_CLASSES]


def test_frozen_stays_in_evaluation_mode_and_has_no_gradient(
    tiny_network: Section, images: paddle.Tensor
) -> None:
    built = network(tiny_network, freeze_params=True)
    built.train()
    assert built.is_frozen
    assert not any(layer.training for layer in built.sublayers(include_self=True))
    assert not any(parameter.trainable for parameter in built.parameters())
    outputs = built(images, training_form=True)
    assert list(outputs) == ["backbone_out", "neck_out", "head_out"]
    assert all(output.stop_gradient for output in outputs.values())


def test_a_free_network_follows_train_and_eval(tiny_network: Section) -> None:
    built = network(tiny_network)
    built.eval()
    assert not any(layer.training for layer in built.sublayers(include_self=True))
    built.train()
    assert all(layer.training for layer in built.sublayers(include_self=True))


def test_frozen_paddleocr_s_way_statistics_still_move(
    tiny_network: Section, images: paddle.Tensor
) -> None:
    built = network(tiny_network, freeze_params=True, frozen_statistics=False)
    built.train()
    assert built.training and built.is_frozen
    norm = next(layer for layer in built.sublayers() if hasattr(layer, "_mean"))
    before = norm._mean.numpy().copy()
    outputs = built(images)
    assert all(output.stop_gradient for output in outputs.values())
    assert (norm._mean.numpy() != before).any()


def test_a_network_that_learns_can_keep_its_statistics(
    tiny_network: Section, images: paddle.Tensor
) -> None:
    built = network(tiny_network, frozen_statistics=True)
    norms = [layer for layer in built.sublayers() if hasattr(layer, "_mean")]
    before = [norm._mean.numpy().copy() for norm in norms]
    built.eval()
    expected = built(images, training_form=True)["head_out"].numpy()
    built.train()
    assert built.training and not built.is_frozen
    outputs = built(images)["head_out"]
    assert np.allclose(outputs.numpy(), expected, atol=1e-5)
    outputs.sum().backward()
    assert all((norm._mean.numpy() == mean).all() for norm, mean in zip(norms, before, strict=True))
    assert all(norm.weight.grad is not None for norm in norms)
    assert any(float(norm.weight.grad.abs().sum()) > 0 for norm in norms)
