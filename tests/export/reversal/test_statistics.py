"""BatchNorms take the statistics of images, and compute what they did."""

from __future__ import annotations

import numpy as np
import paddle
from paddle import nn

from export.reversal.statistics import batch_statistics, calibrate, norms_of
from training.backbones.reparameterise import let_pass
from training.network import Network


class _Mixing(nn.Layer):
    """Convolutions with BatchNorms that let pass, one of which is multiplied by 0."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.LayerList([nn.Conv2D(3, 4, 3, padding=1), nn.Conv2D(4, 4, 1)])
        self.norms = nn.LayerList([nn.BatchNorm2D(4), nn.BatchNorm2D(4)])
        self.unused = nn.BatchNorm2D(4)
        let_pass(self.norms[0], np.arange(4.0))
        let_pass(self.norms[1], scale=0.0)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        first = self.norms[0](self.convs[0](x))
        return paddle.nn.functional.relu(first) + self.norms[1](self.convs[1](first))


class _Whole(Network):
    def deployed(self, images: paddle.Tensor) -> paddle.Tensor:
        return self.backbone(images)


def test_evaluation_stays_and_training_computes_the_same() -> None:
    paddle.seed(1)
    network = _Whole(_Mixing(), None, nn.Identity())
    network.eval()
    images = np.random.default_rng(0).uniform(-1, 1, (40, 3, 160, 240)).astype(np.float32)
    few = paddle.to_tensor(images)
    wanted = network.deployed(few).numpy()
    assert calibrate(network, images) == 2
    assert np.allclose(network.deployed(few).numpy(), wanted, atol=1e-5)
    with paddle.no_grad(), batch_statistics(network):
        assert np.allclose(network.deployed(few).numpy(), wanted, atol=1e-4)
    assert not any(norm.training for norm in norms_of(network))
    first, second = network.backbone.norms
    assert abs(first._variance.numpy() - 1).max() > 0.01
    assert not second.weight.numpy().any() and second._variance.numpy().all()


def test_a_kernel_that_a_step_would_change_wholly_is_made_longer() -> None:
    """Its inputs are large and its weights tiny; in front of a BatchNorm the length is free."""
    paddle.seed(1)
    network = _Whole(_Mixing(), None, nn.Identity())
    conv, norm = network.backbone.convs[0], network.backbone.norms[0]
    conv.weight.set_value(conv.weight * 1e-6)
    network.eval()
    images = np.random.default_rng(0).uniform(0, 1e6, (4, 3, 32, 32)).astype(np.float32)
    few, before = paddle.to_tensor(images), conv.weight.numpy()
    wanted = network.deployed(few).numpy()
    calibrate(network, images)
    longer = conv.weight.numpy() / before
    assert (longer >= 2**10).all() and (np.log2(longer) % 1 == 0).all()
    assert np.allclose(network.deployed(few).numpy(), wanted, rtol=1e-4, atol=1e-4)
    with paddle.no_grad(), batch_statistics(network):
        assert np.allclose(network.deployed(few).numpy(), wanted, rtol=1e-3, atol=1e-3)
        first = norm(conv(few)).numpy()
        conv.weight.set_value(conv.weight.numpy() + np.float32(1e-5))
        assert np.abs(norm(conv(few)).numpy() - first).max() < 0.02 * first.std()
