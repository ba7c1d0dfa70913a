"""SARHead: one logit vector for each symbol of the label, from the valid part of the line."""

from __future__ import annotations

import itertools
from typing import Any

import paddle
import pytest

from runtime.errors import ConfigError
from training.recognition.heads.sar_head import SARHead

K = 9
LABELS = [[9, 2, 5, 9, 10, 10], [9, 1, 3, 6, 7, 9]]


def build(**options: Any) -> SARHead:
    paddle.seed(1)
    head = SARHead(8, K + 2, **{"enc_dim": 12, "d_k": 10, **options})
    head.eval()
    return head


@pytest.fixture
def batch() -> dict[str, paddle.Tensor]:
    return {"label_sar": paddle.to_tensor(LABELS), "valid_ratio": paddle.to_tensor([0.45, 1.0])}


@pytest.mark.parametrize(
    ("both_ways", "is_gru", "pred_concat"), list(itertools.product([False, True], repeat=3))
)
def test_every_kind_has_logits_without_padding(
    batch: Any, both_ways: bool, is_gru: bool, pred_concat: bool
) -> None:
    head = build(
        enc_bi_rnn=both_ways,
        dec_bi_rnn=both_ways,
        enc_gru=is_gru,
        dec_gru=is_gru,
        pred_concat=pred_concat,
    )
    head.train()  # paddle has no gradient of a recurrent layer in evaluation
    logits = head(paddle.randn([2, 8, 2, 10]), batch)
    assert list(logits.shape) == [2, 6, K + 1]
    logits.square().sum().backward()
    assert all(parameter.grad is not None for parameter in head.parameters())


def test_columns_beyond_the_line_are_not_looked_at(batch: Any) -> None:
    # 0.45 of 10 columns are 5; the keys of the last one see one column further.
    head, features = build(), paddle.randn([2, 8, 2, 10])
    before = head(features, batch)
    changed = features.clone()
    changed[:, :, :, 6:] = 7.0
    difference = (head(changed, batch) - before).abs().max(axis=[1, 2])
    assert float(difference[0]) == 0
    assert float(difference[1]) > 1e-3
    changed = features.clone()
    changed[0, :, :, 4] = 7.0
    assert float((head(changed, batch) - before).abs().max()) > 1e-3


def test_the_smallest_share_is_one_column(batch: Any) -> None:
    batch["valid_ratio"] = paddle.to_tensor([0.0, 0.01])
    assert bool(paddle.isfinite(build()(paddle.randn([2, 8, 1, 10]), batch)).all())


def test_a_symbol_tells_nothing_of_those_before_it(batch: Any) -> None:
    head, features = build(), paddle.randn([2, 8, 1, 10])
    before = head(features, batch)
    batch["label_sar"][1, 3] = 4
    difference = (head(features, batch) - before).abs().max(axis=2)
    assert float(difference[0].max()) == 0
    assert float(difference[1, :3].max()) < 1e-6
    assert float(difference[1, 3:].min()) > 1e-6


def test_dropout_by_default_and_as_asked() -> None:
    assert _dropouts(build()) == (0.1, 0.0, 0.1)
    asked = build(enc_drop_rnn=0.2, dec_drop_rnn=0.3, pred_dropout=0.4)
    assert _dropouts(asked) == (0.2, 0.3, 0.4)


def _dropouts(head: SARHead) -> tuple[float, float, float]:
    decoder = head.decoder
    recurrent = head.encoder.rnn_encoder, decoder.rnn_decoder
    return recurrent[0].dropout, recurrent[1].dropout, decoder.pred_dropout.p


@pytest.mark.parametrize("missing", ["label_sar", "valid_ratio"])
def test_without_labels_it_does_not_read(batch: Any, missing: str) -> None:
    del batch[missing]
    with pytest.raises(ConfigError, match=f"SARHead learns with the labels.*{missing}"):
        build()(paddle.randn([2, 8, 1, 10]), batch)


def test_options_that_are_no_probabilities_or_widths() -> None:
    assert not SARHead.problems_of({"enc_dim": 512, "pred_dropout": 0.1})
    assert SARHead.problems_of({"enc_drop_rnn": 1.0, "d_k": 0}) == [
        ("enc_drop_rnn", "expected a probability below 1, got 1.0"),
        ("d_k", "expected at least 1, got 0"),
    ]
