"""Processes are kept while they answer, and ended when they do not."""

from __future__ import annotations

import os
import time

import pytest

from runtime.errors import ImageError
from runtime.processes.kept import KeptProcess, ProcessPool, Refusal

pytestmark = pytest.mark.skipif(os.name != "posix", reason="processes with sockets are POSIX's")


def started() -> KeptProcess:
    return KeptProcess("runtime.images.decoder_process")


def test_a_refusal_keeps_the_process_and_any_other_error_ends_it() -> None:
    pool: ProcessPool[KeptProcess] = ProcessPool()
    with pool.lent(None, started) as first:
        pass
    with pytest.raises(ImageError, match="no such page"), pool.lent(None, started) as second:
        raise Refusal("no such page")
    assert second is first and first.is_alive()
    with pytest.raises(KeyError), pool.lent(None, started) as third:
        raise KeyError
    assert third is first and not first.is_alive() and not pool.alive
    pool.end_all()


def test_a_process_of_another_kind_is_another() -> None:
    pool: ProcessPool[KeptProcess] = ProcessPool()
    with pool.lent(1, lambda: KeptProcess("runtime.images.decoder_process", 1)) as first:
        pass
    with pool.lent(2, lambda: KeptProcess("runtime.images.decoder_process", 2)) as second:
        pass
    assert first is not second and pool.alive == {first, second}
    pool.end_idle()
    assert not pool.alive and not first.is_alive()


def test_an_answer_that_does_not_come_is_not_waited_for() -> None:
    pool: ProcessPool[KeptProcess] = ProcessPool()
    with pytest.raises(TimeoutError), pool.lent(None, started) as process:
        process.receive(1, time.monotonic() + 0.1)
    assert not process.is_alive()


def test_a_module_that_does_not_start_says_what_it_needs() -> None:
    with pytest.raises(ImageError, match=r"that opens it does not start: .* imports pdfium"):
        KeptProcess("runtime.absent", None, "opens", "pdfium")
