"""Threads are kept between uses, never shared between two at once, and end when told."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from runtime.pipeline import Pipeline, Prepared, done_ahead
from runtime.threads import Threads


@pytest.fixture
def threads() -> Iterator[Threads]:
    before = threading.active_count()
    with closing(Threads()) as threads:
        yield threads
    assert threading.active_count() == before


def test_the_same_threads_serve_one_call_after_another(threads: Threads) -> None:
    seen: set[int] = set()
    for _ in range(50):
        list(done_ahead(lambda _: seen.add(threading.get_ident()), range(4), 2, 4, threads))
    assert 1 <= len(seen) <= 2


def test_a_pipeline_keeps_its_threads(threads: Threads) -> None:
    run: Pipeline[int, int, int] = Pipeline(
        lambda number: Prepared(0, number), lambda batch: list(batch.lines), 2, threads=threads
    )
    assert list(run(range(5))) == list(range(5))
    kept = threading.active_count()
    for _ in range(20):
        assert list(run(range(5))) == list(range(5))
    assert threading.active_count() <= kept + 1  # a pool starts a thread only when it needs one


def test_two_at_once_have_pools_of_their_own(threads: Threads) -> None:
    with threads.pool(2, "a") as first, threads.pool(2, "a") as second:
        assert first is not second
    with threads.pool(2, "a") as again, threads.pool(3, "a") as larger:
        assert again in (first, second) and larger not in (first, second)


def test_a_block_that_breaks_off_ends_its_threads(threads: Threads) -> None:
    before = threading.active_count()
    begun, go = threading.Event(), threading.Event()

    def wait(_: int) -> bool:
        begun.set()
        return go.wait(20)

    results = done_ahead(wait, range(1000), 2, 10, threads)
    threading.Timer(0.2, go.set).start()
    next(results)
    results.close()
    assert begun.is_set() and threading.active_count() <= before + 1  # perhaps the timer
    with pytest.raises(ZeroDivisionError):
        list(done_ahead(lambda number: 1 // number, [1, 0, 1], 2, 4, threads))
    assert list(done_ahead(str, range(3), 2, 4, threads)) == ["0", "1", "2"]


def test_those_in_use_end_after_their_use() -> None:
    before = threading.active_count()
    threads = Threads()
    with threads.pool(1, "a") as pool:
        threads.close()
        assert pool.submit(int).result() == 0
    assert threading.active_count() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_that_is_forked_off_starts_its_own(threads: Threads) -> None:
    assert list(done_ahead(str, range(3), 2, 4, threads)) == ["0", "1", "2"]
    child = os.fork()
    if child == 0:
        os._exit(0 if list(done_ahead(str, range(3), 2, 4, threads)) == ["0", "1", "2"] else 1)
    assert os.waitpid(child, 0)[1] == 0
