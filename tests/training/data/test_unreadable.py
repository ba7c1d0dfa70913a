"""Counting lines that cannot be read, and refusing too many."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.errors import DatasetError
from training.data.sample import Failure, Sample
from training.data.unreadable import Unreadable


def test_what_is_told() -> None:
    unreadable = Unreadable()
    replaced = Failure("a.jpg", "it is cut")
    loaded = [Sample(None, "x", "b.jpg", replaced=replaced), Sample(None, "y", "c.jpg"), replaced]
    unreadable.add_replaced(loaded)
    for name in ("d.jpg", "d.jpg", "e.jpg", "f.jpg"):
        unreadable.add(Failure(name, f"{name}: gone"))
    examples = "a.jpg: it is cut; d.jpg: gone; e.jpg: gone"
    assert unreadable.describe(19) == f"5 of 19 images could not be read, e.g. {examples}"


@pytest.mark.parametrize(("count", "total", "share"), [(3, 20, 0.1), (1, 9, 0.1), (1, 100, 0.0)])
def test_above_the_share_is_refused(count: int, total: int, share: float) -> None:
    unreadable = Unreadable(count, ["a.jpg: cut"])
    with pytest.raises(DatasetError, match=rf"epoch 2: {count} of {total} .*max_unreadable_share"):
        unreadable.refuse_above(share, total, "epoch 2")
    Unreadable(count - 1).refuse_above(share, total, "epoch 2")


def test_a_checkpoint_keeps_it() -> None:
    unreadable = Unreadable(4, ["a", "b"])
    assert Unreadable.from_state(unreadable.as_state()) == unreadable


@pytest.mark.parametrize("state", [None, 3, {}, {"count": "x"}, {"count": -2, "examples": "ab"}])
def test_a_state_that_is_none_counts_nothing(state: Any) -> None:
    assert Unreadable.from_state(state) == Unreadable()
