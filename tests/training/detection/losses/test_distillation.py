"""What distillation losses of maps take and log, PaddleOCR's accidents, and the ways around."""

from __future__ import annotations

import logging
from typing import Any

import cv2
import numpy as np
import paddle
import pytest

from runtime.errors import ConfigError
from training import build_loss
from training.detection.losses.distillation import dilated
from training.detection.warn import warn_once
from training.losses import CombinedLoss, figures_of

PAIR = ["Student", "Teacher"]


@pytest.fixture(autouse=True)
def unsaid() -> None:
    warn_once.cache_clear()


@pytest.fixture
def maps() -> dict[str, Any]:
    paddle.seed(3)
    named = {}
    for name in PAIR:
        maps = paddle.rand([2, 3, 8, 12])
        maps.stop_gradient = False
        named[name] = {"maps": maps}
    return named


@pytest.fixture
def batch() -> dict[str, paddle.Tensor]:
    rng = np.random.RandomState(0)
    names = ("threshold_map", "threshold_mask", "shrink_map", "shrink_mask")
    return {
        name: paddle.to_tensor((rng.uniform(size=(2, 8, 12)) < 0.5).astype(np.float32))
        for name in names
    }


def build(**losses: dict[str, Any]) -> CombinedLoss:
    entries = [{name: {"weight": 1.0, **options}} for name, options in losses.items()]
    return build_loss({"name": "CombinedLoss", "loss_config_list": entries}, "det")


DML = {"model_name_pairs": PAIR, "key": "maps", "maps_name": "thrink_maps"}
DB = {"model_name_list": ["Student"]}


def gradient(loss: CombinedLoss, maps: Any, batch: Any) -> np.ndarray:
    loss(maps, batch)["loss"].backward()
    found: np.ndarray = maps["Student"]["maps"].grad.numpy()
    for of_network in maps.values():
        of_network["maps"].clear_gradient()
    return found


def test_a_value_for_each_image_counts_every_scalar_as_often(
    maps: Any, batch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    both = build(DistillationDMLLoss=DML, DistillationDBLoss=DB)
    losses = both(maps, batch)
    assert losses["loss"].shape == [2] and losses["dml_thrink_maps_0"].shape == [2]
    figures = figures_of(losses)
    parts = [value for name, value in figures.items() if name != "loss"]
    assert figures["loss"] == pytest.approx(sum(parts), rel=1e-6)
    assert "reduction: mean" in caplog.text
    mean = build(DistillationDMLLoss={**DML, "reduction": "mean"}, DistillationDBLoss=DB)
    assert mean(maps, batch)["loss"].shape == []
    assert figures_of(mean(maps, batch)) == pytest.approx(figures, rel=1e-6)
    twice = 2 * gradient(mean, maps, batch)
    assert np.allclose(gradient(both, maps, batch), twice, rtol=1e-5, atol=1e-7)


def test_of_a_list_of_maps_paddleocr_takes_none(
    maps: Any, batch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    names = ["thrink_maps", "binary_maps"]
    none = build(DistillationDMLLoss={**DML, "maps_name": names})
    assert figures_of(none(maps, batch)) == {"loss": 0.0}
    assert "each_map: true" in caplog.text
    every = build(DistillationDMLLoss={**DML, "maps_name": names, "each_map": True})
    figures = figures_of(every(maps, batch))
    for name in names:
        alone = figures_of(build(DistillationDMLLoss={**DML, "maps_name": name})(maps, batch))
        assert figures[f"dml_{name}_0"] == alone[f"dml_{name}_0"] > 0


def test_all_maps_at_once(maps: Any, batch: Any) -> None:
    options = {"model_name_pairs": PAIR, "key": "maps", "reduction": "mean"}
    figures = figures_of(build(DistillationDMLLoss=options)(maps, batch))
    of_maps = [
        figures_of(build(DistillationDMLLoss={**options, "maps_name": name})(maps, batch))["loss"]
        for name in ("thrink_maps", "threshold_maps", "binary_maps")
    ]
    assert figures["dml_0"] == pytest.approx(np.mean(of_maps), rel=1e-5)


@pytest.mark.parametrize("loss", ["DistillationDBLoss", "DistillationDilaDBLoss"])
def test_options_that_paddleocr_leaves_aside(
    loss: str, maps: Any, batch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    of_networks = DB if loss == "DistillationDBLoss" else {"model_name_pairs": PAIR, "key": "maps"}
    options = {"alpha": 1, "beta": 2, "main_loss_type": "DiceFocalLoss"}
    plain = figures_of(build(**{loss: of_networks})(maps, batch))
    assert "leaves" not in caplog.text
    assert figures_of(build(**{loss: {**of_networks, **options}})(maps, batch)) == plain
    assert f"{loss} leaves alpha, beta, main_loss_type aside" in caplog.text.replace(
        "main_loss_type, alpha, beta", "alpha, beta, main_loss_type"
    )
    heeded = build(**{loss: {**of_networks, **options, "follow_options": True}})
    figures = figures_of(heeded(maps, batch))
    assert figures.keys() == plain.keys() and figures["loss"] != plain["loss"]
    if loss == "DistillationDBLoss":
        alone = build_loss({"name": "DBLoss", **options}, "det")
        wanted = figures_of(alone(maps["Student"], batch))
        assert figures["loss"] == pytest.approx(wanted["loss"], rel=1e-6)


def test_auxiliary_maps_of_each_network(maps: Any, batch: Any) -> None:
    given = {name: {**of, "aux_maps_p3": of["maps"]} for name, of in maps.items()}
    options = {"aux_weight_p3": 0.5, "follow_options": True}
    figures = figures_of(build(DistillationDBLoss={**DB, **options})(given, batch))
    auxiliary = figures["db_Student_loss_aux_maps_p3"]
    rest = sum(
        value
        for name, value in figures.items()
        if name not in ("loss", "db_Student_loss_aux_maps_p3")
    )
    assert auxiliary == pytest.approx(rest, rel=1e-6)  # the same maps
    assert figures["loss"] == pytest.approx(1.5 * rest, rel=1e-6)


def test_a_teacher_s_text_is_widened_as_opencv_does() -> None:
    mask = np.random.RandomState(1).uniform(size=(3, 9, 11)) < 0.2
    wanted = [cv2.dilate(image.astype(np.uint8), np.ones((2, 2))) for image in mask]
    got = dilated(paddle.to_tensor(mask))
    assert got.dtype == paddle.float32
    assert np.array_equal(got.numpy(), np.array(wanted))


def test_a_teacher_learns_nothing_from_its_own_text(maps: Any, batch: Any) -> None:
    options = {"model_name_pairs": [PAIR], "key": "maps"}
    losses = build(DistillationDilaDBLoss=options)(maps, batch)
    assert list(losses) == ["dila_dbloss_Student_Teacher", "loss"]
    losses["loss"].backward()
    assert maps["Teacher"]["maps"].grad is None
    student = maps["Student"]["maps"].grad.numpy()
    assert student[:, [0, 2]].any() and not student[:, 1].any()


def test_each_warning_is_given_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            build(DistillationDBLoss=DB, DBLoss={})
    assert caplog.text.count("ohem_ratio has no effect") == 1


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"name": "DBLoss", "main_loss_type": "Euclidean"}, "main_loss_type: expected 'DiceLoss'"),
        (
            {"name": "DBLoss", "main_loss_type": "BCELoss", "balance_loss": False},
            "balance_loss: BCELoss chooses",
        ),
        ({"name": "DistillationDMLLoss", **DML, "maps_name": "shrink_maps"}, "maps_name: expected"),
        (
            {"name": "DistillationDBLoss", **DB, "main_loss_type": "Dice", "follow_options": True},
            "main_loss_type: unknown loss 'Dice'",
        ),
        ({"name": "CTCLoss"}, "unknown loss 'CTCLoss'"),
    ],
)
def test_mistakes_are_named(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_loss(section, "det")
