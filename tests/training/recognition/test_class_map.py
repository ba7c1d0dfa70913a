"""Classes of another dictionary: found by character, for CTC and for the decoders beside it."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from runtime.recognition.charset import Charset
from training.recognition.class_map import ClassMap

OWN = Charset(("c", "a", "x", " "))
SHARED = Charset(("a", "b", "c", " "))
MAP = ClassMap(OWN, SHARED)


def test_characters_that_the_network_lacks_are_named() -> None:
    assert MAP.absent == ("b",)
    assert ClassMap(OWN, OWN).absent == ()


@pytest.mark.parametrize(
    ("decoder", "own", "shared"),
    [
        ("ctc", ["blank", "c", "a", "x", " "], ["blank", "a", "b", "c", " "]),
        (
            "gtc",
            ["padding", "unknown", "begin", "end", "c", "a", "x", " ", "none"],
            ["padding", "unknown", "begin", "end", "a", "b", "c", " ", "none"],
        ),
        ("sar", ["c", "a", "x", " ", "unknown", "end"], ["a", "b", "c", " ", "unknown", "end"]),
    ],
)
def test_logits_of_a_class_come_from_the_same_character(
    decoder: str, own: list[str], shared: list[str]
) -> None:
    logits = paddle.randn([2, 3, len(own)])
    mapped = MAP.logits(logits, decoder).numpy()
    assert mapped.shape == (2, 3, len(shared))
    for index, symbol in enumerate(shared):
        if symbol == "b":
            assert (mapped[..., index] < logits.numpy().min(axis=-1) - 10).all()
        else:
            assert (mapped[..., index] == logits.numpy()[..., own.index(symbol)]).all()


def test_labels_are_given_in_the_network_s_classes() -> None:
    batch = {
        "label_gtc": paddle.to_tensor([[2, 4, 5, 6, 7, 3, 0]]),  # "abc "
        "label_sar": paddle.to_tensor([[5, 0, 1, 2, 3, 5, 6]]),
        "length": paddle.to_tensor([4]),
    }
    mapped = MAP.batch(batch)
    assert mapped["label_gtc"].tolist() == [[2, 5, 1, 4, 7, 3, 0]]
    assert mapped["label_sar"].tolist() == [[5, 1, 4, 0, 3, 5, 6]]
    assert mapped["length"] is batch["length"]


def test_a_head_s_outputs_are_mapped_and_the_rest_is_left() -> None:
    neck = paddle.randn([1, 2, 7])
    mapped = MAP.outputs({"ctc": paddle.randn([1, 2, 5]), "ctc_neck": neck})
    assert mapped["ctc_neck"] is neck
    features, logits = MAP.outputs((neck, paddle.randn([1, 2, 5])))
    assert features is neck and logits.shape == [1, 2, 5]
    assert np.isfinite(mapped["ctc"].numpy()).all()
