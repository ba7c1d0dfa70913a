"""NRTRHead: one logit vector for each symbol of the longest label, from those before it alone."""

from __future__ import annotations

from typing import Any

import paddle
import pytest

from runtime.errors import ConfigError
from training.recognition.heads.nrtr_head import NRTRHead

LABELS = [[2, 7, 5, 3, 0, 0, 0], [2, 4, 6, 8, 9, 3, 0]]
OUT_CHANNELS = 11


@pytest.fixture
def batch() -> dict[str, paddle.Tensor]:
    return {"label_gtc": paddle.to_tensor(LABELS), "length": paddle.to_tensor([2, 4])}


@pytest.fixture
def head() -> NRTRHead:
    paddle.seed(1)
    built = NRTRHead(OUT_CHANNELS, nrtr_dim=64, num_decoder_layers=2)
    built.eval()
    return built


def test_logits_of_the_longest_text_and_its_end(head: NRTRHead, batch: Any) -> None:
    memory = paddle.randn([2, 6, 64])
    logits = head(memory, batch)
    assert list(logits.shape) == [2, 5, OUT_CHANNELS + 1]
    longer = {**batch, "label_gtc": paddle.concat([batch["label_gtc"]] * 2, axis=1)}
    assert bool((head(memory, longer) == logits).all())
    assert list(head.decoder[0].mlp.fc1.weight.shape) == [64, 256]
    assert head.decoder[0].self_attn.num_heads == head.decoder[0].cross_attn.num_heads == 2


def test_a_symbol_tells_nothing_of_itself_but_all_behind_it(head: NRTRHead, batch: Any) -> None:
    memory = paddle.randn([2, 6, 64])
    before = head(memory, batch)
    batch["label_gtc"][1, 3] = 10
    difference = (head(memory, batch) - before).abs().max(axis=2)
    assert float(difference[0].max()) == 0
    assert float(difference[1, :3].max()) < 1e-6
    assert float(difference[1, 3:].min()) > 1e-3


def test_every_place_of_the_features_is_seen(head: NRTRHead, batch: Any) -> None:
    memory = paddle.randn([2, 6, 64])
    memory.stop_gradient = False
    head(memory, batch).square().sum().backward()
    assert float(memory.grad.abs().sum(axis=2).min()) > 0


def test_initial_values_and_dropout_of_the_paper() -> None:
    head = NRTRHead(500, nrtr_dim=64)
    assert head.tgt_word_prj.bias is None
    assert float(head.tgt_word_prj.weight.std()) == pytest.approx(64**-0.5, rel=0.02)
    rates = [layer.p for layer in head.sublayers() if isinstance(layer, paddle.nn.Dropout)]
    assert rates == [0.1] * 9
    assert len(head.decoder) == 4


@pytest.mark.parametrize("missing", ["label_gtc", "length"])
def test_without_labels_it_does_not_read(head: NRTRHead, batch: Any, missing: str) -> None:
    del batch[missing]
    with pytest.raises(ConfigError, match=f"NRTRHead learns with the labels.*{missing}"):
        head(paddle.randn([2, 6, 64]), batch)


def test_widths_that_the_heads_of_attention_do_not_share() -> None:
    assert not NRTRHead.problems_of({"nrtr_dim": 384})
    for width in (16, 33, 112):
        assert NRTRHead.problems_of({"nrtr_dim": width}) == [
            ("nrtr_dim", f"expected a multiple of 32, got {width}")
        ]
    assert NRTRHead.problems_of({"num_decoder_layers": 0}) == [
        ("num_decoder_layers", "expected at least 1, got 0")
    ]
