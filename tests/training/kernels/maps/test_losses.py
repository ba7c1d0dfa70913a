"""The losses of maps by compiled loops are paddle's, and their gradients."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.detection.losses.maps import (
    BalancedLoss,
    DiceFocalLoss,
    DiceLoss,
    MapLoss,
    MaskedL1Loss,
    losses_of_maps,
)
from training.kernels import set_fast_path
from training.kernels.maps import RegionTerm, serves_maps

pytestmark = pytest.mark.usefixtures("kernels")

LOSSES: dict[str, MapLoss] = {
    "dice": DiceLoss(),
    "distance": MaskedL1Loss(),
    "balanced dice": BalancedLoss("DiceLoss", 3),
    "balanced entropy": BalancedLoss("BCELoss", 1.5),
    **{
        f"focal {gamma}": DiceFocalLoss(0.5, 2.0, 0.25, gamma, 1e-6)
        for gamma in (0.0, 1.0, 2.0, 2.5, 3.3)
    },
}


def maps_and_labels(
    shape: tuple[int, int, int], channels: int, steepness: float
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Maps [N, C, H, W], some of whose values are 0 and 1, and four labels [N, H, W]."""
    rng = np.random.RandomState(0)
    images, *size = shape
    logits = rng.uniform(-1, 1, (images, channels, *size)) * steepness
    maps = np.clip(1.02 / (1 + np.exp(-logits)) - 0.01, 0, 1).astype(np.float32)
    shares = (0.2, 0.9, 0.5, 0.3)
    return maps, [(rng.uniform(size=shape) < share).astype(np.float32) for share in shares]


def results(
    losses: list[MapLoss | None],
    maps: np.ndarray,
    labels: list[np.ndarray],
    fast: bool = True,
    dtype: str = "float32",
) -> tuple[list[float], np.ndarray]:
    """Each loss, and the gradient of their weighted sum."""
    set_fast_path(fast)
    given = paddle.to_tensor(maps, dtype=dtype, stop_gradient=False)
    label, mask, wanted, border = (paddle.to_tensor(array, dtype=dtype) for array in labels)
    found = losses_of_maps(given, losses, (label, mask), (wanted, border))
    weighted = [0.7 * (place + 1) * loss for place, loss in enumerate(found)]
    paddle.add_n(weighted).backward()
    return [float(loss) for loss in found], given.grad.numpy()


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 61)),
    steepness=st.sampled_from([0.5, 4.0, 12.0]),
)
@pytest.mark.parametrize("name", LOSSES)
def test_agrees_with_paddle(name: str, shape: tuple[int, int, int], steepness: float) -> None:
    maps, labels = maps_and_labels(shape, 1, steepness)
    (ours,), gradient = results([LOSSES[name]], maps, labels)
    # In float64 the clip ends at another number, and what is left of 1 there by 5% more.
    dtype = "float32" if "focal" in name else "float64"
    (theirs,), wanted = results([LOSSES[name]], maps, labels, fast=False, dtype=dtype)
    assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-6)
    assert gradient.dtype == np.float32 and gradient.shape == maps.shape
    assert np.abs(gradient - wanted).max() <= 1e-5 * np.abs(wanted).max()


def test_all_maps_of_a_head_at_once() -> None:
    maps, labels = maps_and_labels((2, 67, 80), 4, 6.0)
    losses = [LOSSES["balanced dice"], LOSSES["distance"], None, LOSSES["focal 2.5"]]
    got, gradient = results(losses, maps, labels)
    wanted, of_paddle = results(losses, maps, labels, fast=False)
    assert got == pytest.approx(wanted, rel=1e-5)
    assert not gradient[:, 2].any()
    for channel in (0, 1, 3):
        worst = np.abs(gradient[:, channel] - of_paddle[:, channel]).max()
        # paddle adds the equal gradients of a balanced Dice loss in float32: 3e-5 off.
        assert worst <= 5e-5 * np.abs(of_paddle[:, channel]).max()


def test_sums_are_exact_to_float32() -> None:
    maps, labels = maps_and_labels((2, 500, 700), 1, 2.0)
    label, mask = (array.astype(np.float64) for array in labels[:2])
    values = maps[:, 0].astype(np.float64)
    common, extent = (values * label * mask).sum(), ((values + label) * mask).sum() + 1e-6
    (got,), _ = results([LOSSES["dice"]], maps, labels)
    assert got == pytest.approx(1 - 2 * common / extent, rel=1.2e-7)


def test_equal_losses_of_background_count_as_often_as_wanted() -> None:
    maps = np.full((1, 1, 4, 50), 0.25, np.float32)
    labels = [np.zeros((1, 4, 50), np.float32), np.ones((1, 4, 50), np.float32)]
    labels[0][0, 0, :5] = 1
    (loss,), gradient = results([BalancedLoss("BCELoss", 3)], maps, labels * 2)
    wanted = -(5 * np.log(0.25) + 15 * np.log(0.75)) / 20
    assert loss == pytest.approx(wanted, rel=1e-6)
    assert (gradient > 0).sum() == 15 and (gradient < 0).sum() == 5


def test_beyond_the_clip_there_is_no_focal_gradient() -> None:
    maps = np.array([0, 5e-7, 1e-6, 0.5, 1 - 1e-6, 1], np.float32).reshape(1, 1, 1, 6)
    labels = [np.zeros((1, 1, 6), np.float32), np.ones((1, 1, 6), np.float32)] * 2
    _, gradient = results([DiceFocalLoss(0.0, 1.0, 0.25, 2.0, 1e-6)], maps, labels)
    assert gradient.ravel().astype(bool).tolist() == [False, False, True, True, True, False]


@pytest.mark.parametrize("name", LOSSES)
def test_nan_is_passed_on(name: str) -> None:
    maps, labels = maps_and_labels((1, 5, 9), 1, 2.0)
    maps[0, 0, 2, 3] = np.nan
    (loss,), _ = results([LOSSES[name]], maps, [np.ones_like(label) for label in labels])
    assert np.isnan(loss)


def test_the_same_inputs_give_the_same_bits() -> None:
    maps, labels = maps_and_labels((2, 67, 80), 2, 6.0)
    losses = [LOSSES["focal 2.5"], LOSSES["balanced entropy"]]
    first = results(losses, maps, labels)
    for _ in range(3):
        again = results(losses, maps, labels)
        assert first[0] == again[0] and np.array_equal(first[1], again[1])


def test_where_paddle_computes_itself() -> None:
    arrays, labels = maps_and_labels((1, 5, 9), 1, 2.0)
    maps = paddle.to_tensor(arrays, stop_gradient=False)
    label, mask = (paddle.to_tensor(array) for array in labels[:2])
    terms = [RegionTerm(1e-6)]
    assert serves_maps(maps, terms, label, mask)
    assert not serves_maps(maps.detach(), terms, label, mask)
    with paddle.no_grad():
        assert not serves_maps(maps, terms, label, mask)
    assert not serves_maps(maps.astype("float64"), terms, label, mask)
    assert not serves_maps(maps, terms, label[:, :4], mask)
    assert not serves_maps(maps[:, :, :0], terms, label[:, :0], mask[:, :0])
    assert not serves_maps(maps, [RegionTerm(1e-6, focal_weight=1, clip=1e-9)], label, mask)
    label.stop_gradient = False
    assert not serves_maps(maps, terms, label, mask)
    set_fast_path(False)
    assert not serves_maps(maps, terms, mask, mask)
