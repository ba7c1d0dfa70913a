"""Losses of one network with several decoders: weights, options that leak, mistakes."""

from __future__ import annotations

import copy
import logging
from typing import Any

import paddle
import pytest

from runtime.errors import ConfigError
from training import build_loss
from training.recognition.losses import CTCLoss, MultiLoss, NRTRLoss, SARLoss

K = 6


def outputs() -> dict[str, paddle.Tensor]:
    paddle.seed(6)
    return {
        "ctc": paddle.randn([2, 6, K]),
        "ctc_neck": paddle.randn([2, 6, 3]),
        "sar": paddle.randn([2, 5, K + 1]),
        "gtc": paddle.randn([2, 4, K + 4]),
    }


def batch() -> dict[str, Any]:
    arrays = {
        "label_ctc": [[1, 2, 0], [3, 0, 0]],
        "label_sar": [[6, 0, 1, 6, 7], [6, 2, 6, 7, 7]],
        "label_gtc": [[2, 4, 5, 3, 0], [2, 6, 3, 0, 0]],
        "length": [2, 1],
    }
    return {name: paddle.to_tensor(values) for name, values in arrays.items()}


def section(*entries: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"name": "MultiLoss", "loss_config_list": list(entries), **options}


def results_of(given: dict[str, Any]) -> dict[str, float]:
    before = copy.deepcopy(given)
    results = build_loss(given)(outputs(), batch())
    assert given == before
    return {name: float(value) for name, value in results.items()}


def alone(loss: Any, output: str) -> float:
    return float(loss(outputs()[output], batch()))


def test_parts_are_weighted_and_summed() -> None:
    ctc, nrtr = alone(CTCLoss(), "ctc"), alone(NRTRLoss(), "gtc")
    got = results_of(section({"CTCLoss": None}, {"NRTRLoss": None}, weight_1=0.5, weight_2=3))
    assert list(got) == ["CTCLoss", "NRTRLoss", "loss"]
    assert got["CTCLoss"] == pytest.approx(0.5 * ctc, rel=1e-6)
    assert got["NRTRLoss"] == pytest.approx(3 * nrtr, rel=1e-6)
    assert got["loss"] == pytest.approx(0.5 * ctc + 3 * nrtr, rel=1e-6)


def test_sar_s_padding_follows_from_the_classes() -> None:
    given = section({"CTCLoss": None}, {"SARLoss": None})
    wanted = alone(SARLoss(K + 1), "sar")
    assert results_of(given)["SARLoss"] == wanted


def test_each_loss_has_its_options() -> None:
    given = section({"CTCLoss": {"use_focal_loss": True}}, {"NRTRLoss": {"smoothing": False}})
    got = results_of(given)
    assert got["CTCLoss"] == alone(CTCLoss(use_focal_loss=True), "ctc")
    assert got["NRTRLoss"] == alone(NRTRLoss(smoothing=False), "gtc")


def test_options_beside_the_list_are_for_all_that_have_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        got = results_of(
            section({"CTCLoss": None}, {"NRTRLoss": None}, smoothing=False, use_focal_loss=True)
        )
        own = section({"CTCLoss": None}, {"NRTRLoss": {"smoothing": True}}, smoothing=False)
        assert results_of(own)["NRTRLoss"] == alone(NRTRLoss(), "gtc")
    assert got["CTCLoss"] == alone(CTCLoss(use_focal_loss=True), "ctc")
    assert got["NRTRLoss"] == alone(NRTRLoss(smoothing=False), "gtc")
    assert not caplog.text


def test_options_leak_into_the_losses_that_follow(caplog: pytest.LogCaptureFixture) -> None:
    given = section({"CTCLoss": {"smoothing": False, "ignore_index": 3}}, {"NRTRLoss": None})
    with caplog.at_level(logging.WARNING):
        leaked = results_of(given)["NRTRLoss"]
    assert leaked == alone(NRTRLoss(smoothing=False, ignore_index=3), "gtc")
    assert caplog.text.count("NRTRLoss gets smoothing from CTCLoss") == 1
    assert caplog.text.count("NRTRLoss gets ignore_index from CTCLoss") == 1
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        separate = results_of({**given, "separate_options": True})["NRTRLoss"]
    assert separate == alone(NRTRLoss(), "gtc") and not caplog.text


def test_a_loss_s_own_option_comes_first(caplog: pytest.LogCaptureFixture) -> None:
    given = section({"CTCLoss": {"smoothing": False}}, {"NRTRLoss": {"smoothing": True}})
    with caplog.at_level(logging.WARNING):
        assert results_of(given)["NRTRLoss"] == alone(NRTRLoss(), "gtc")
    assert not caplog.text


def test_options_do_not_leak_backwards() -> None:
    given = section({"CTCLoss": None}, {"NRTRLoss": {"use_focal_loss": True}})
    assert results_of(given)["CTCLoss"] == alone(CTCLoss(), "ctc")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (section(), "Loss.loss_config_list: expected losses with their options, got none"),
        (section({"ACELoss": None}), r"loss_config_list.0.ACELoss.name: unknown loss of MultiLoss"),
        (
            section({"CTCLoss": 3}),
            r"loss_config_list.0.CTCLoss: expected options or nothing, got 3",
        ),
        (section({"CTCLoss": {"focal": True}}), r"0.CTCLoss.focal: unknown option"),
        (section({"NRTRLoss": {"smoothing": 1}}), r"NRTRLoss.smoothing: expected true or false"),
        (
            section({"CTCLoss": None}, {"CTCLoss": None}),
            "expected each loss once, got CTCLoss twice",
        ),
        (
            section({"NRTRLoss": {"smoothing": False, "ignore_index": -1}}),
            "ignore_index: expected a class from 0 up",
        ),
        ({"name": "MultiLoss"}, "MultiLoss needs the option loss_config_list"),
    ],
)
def test_mistakes_are_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_loss(given)


def test_a_decoder_that_the_head_lacks_is_named() -> None:
    loss = MultiLoss([{"CTCLoss": None}, {"NRTRLoss": None}])
    given = {"ctc": outputs()["ctc"], "sar": outputs()["sar"]}
    with pytest.raises(
        ConfigError, match="MultiLoss: expected a head that gives gtc, got ctc, sar"
    ):
        loss(given, batch())
    with pytest.raises(ConfigError, match="MultiLoss: expected a head that gives ctc, got one ten"):
        loss(outputs()["ctc"], batch())
