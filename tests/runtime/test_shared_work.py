"""Results keep the order of items; help comes only where threads have nothing to do."""

from __future__ import annotations

import threading

import pytest

from runtime.shared_work import SharedWork, one_after_another


def square(number: int) -> int:
    return number * number


@pytest.mark.parametrize("most", [1, 2, 5])
def test_results_are_in_the_order_of_items(most: int) -> None:
    work = SharedWork(most)
    with work.working():
        assert work.apply(square, range(20)) == one_after_another(square, range(20))
    work.close()


def test_a_second_thread_helps() -> None:
    work = SharedWork(2)
    both = threading.Barrier(2)
    with work.working():
        work.apply(lambda _: both.wait(timeout=5), [1, 2])
    work.close()


def test_no_help_comes_while_all_threads_work() -> None:
    work = SharedWork(2)
    with work.working(), work.working():
        threads = set(work.apply(lambda _: threading.current_thread(), range(10)))
    assert threads == {threading.current_thread()}
    work.close()


def test_an_error_ends_the_call_and_not_the_helpers() -> None:
    work = SharedWork(3)

    def fail(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    with work.working():
        with pytest.raises(ValueError, match="three"):
            work.apply(fail, range(50))
        assert work.apply(square, range(4)) == [0, 1, 4, 9]
    work.close()


def test_closed_work_goes_on_without_help() -> None:
    work = SharedWork(4)
    work.close()
    with work.working():
        assert work.apply(square, range(4)) == [0, 1, 4, 9]
