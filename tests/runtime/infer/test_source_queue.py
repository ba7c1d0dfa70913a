"""Sources are skipped as often as they were read, and come back in order."""

from __future__ import annotations

from collections import Counter

from runtime.images.sources import Page
from runtime.infer.source_queue import SourceQueue


def test_taken_sources_come_again_in_their_order() -> None:
    queue = SourceQueue(["a", "b", "c"], lambda: False, Counter())
    taken = iter(queue)
    assert [next(taken), next(taken)] == ["a", "b"]
    assert queue.next_taken() == "a"
    assert next(taken) == "c"
    assert [queue.next_taken(), queue.next_taken()] == ["b", "c"]


def test_what_was_read_is_skipped_as_often_as_it_was() -> None:
    page = Page("x.tif", 1)
    done = Counter({"a": 2, "x.tif#page=2": 1})
    queue = SourceQueue(["a", "b", "a", page, "a", b"bytes"], lambda: False, done)
    assert list(queue) == ["b", "a", b"bytes"]
    assert queue.num_skipped == 3
    assert done["a"] == 2, "the caller's count is its own"


def test_nothing_is_begun_once_it_is_over() -> None:
    answers = iter([False, True])
    assert list(SourceQueue(["a", "b", "c"], lambda: next(answers), Counter())) == ["a"]
