from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator

import pytest

from runtime.batching import WidthBatch
from runtime.pipeline import Pipeline, Prepared, done_ahead

Numbers = Pipeline[int, int, int]


def prepare(number: int) -> Prepared[int] | int:
    """Negative numbers are results already."""
    return -number if number < 0 else Prepared(number % 5, number)


def double(batch: WidthBatch[int]) -> list[int]:
    assert {line % 5 for line in batch.lines} == {batch.width}
    return [2 * line for line in batch.lines]


def pipeline(read: Callable[[WidthBatch[int]], list[int]] = double, **options: int) -> Numbers:
    return Pipeline(prepare, read, **{"batch_size": 3, **options})


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = threading.active_count()
    yield
    gc.collect()
    assert threading.active_count() == before


@pytest.mark.parametrize("batch_size", [1, 3, 50])
@pytest.mark.parametrize("num_threads", [1, 4])
def test_results_come_in_input_order(batch_size: int, num_threads: int) -> None:
    def read(batch: WidthBatch[int]) -> list[int]:
        time.sleep(0.002 * (batch.positions[0] % 3))
        return double(batch)

    numbers = [-number if number % 7 == 0 else number for number in range(100)]
    run = pipeline(read, batch_size=batch_size, num_preparers=num_threads, num_lanes=num_threads)
    assert list(run(numbers)) == [-number if number < 0 else 2 * number for number in numbers]


def test_no_sources_give_no_results() -> None:
    assert list(pipeline()([])) == []


@pytest.mark.parametrize("num_lanes", [1, 3])
def test_the_input_is_held_back_by_who_takes_the_results(num_lanes: int) -> None:
    taken = 0

    def numbers() -> Iterator[int]:
        nonlocal taken
        for number in range(5000):
            taken += 1
            # One width that comes once, and one line that is no line.
            yield 4 if number == 0 else -1 if number == 1 else 5 * number

    run = pipeline(num_preparers=2, num_lanes=num_lanes, look_ahead=20)
    results = run(numbers())
    for given in range(500):
        assert taken - given <= run.look_ahead
        next(results)
    assert run.look_ahead < 60
    results.close()  # type: ignore[attr-defined]


def test_results_do_not_pile_up_behind_a_line_that_takes_long() -> None:
    release = threading.Event()
    read_meanwhile = 0

    def read(batch: WidthBatch[int]) -> list[int]:
        nonlocal read_meanwhile
        if 1 in batch.lines:
            release.wait(20)
        elif not release.is_set():
            read_meanwhile += 1
        return double(batch)

    run = pipeline(read, batch_size=1, num_lanes=2, look_ahead=10)
    threading.Timer(0.3, release.set).start()
    assert list(run([1, *range(5, 505)])) == [2, *range(10, 1010, 2)]
    assert read_meanwhile <= run.look_ahead


def test_work_is_done_at_once_by_as_many_as_there_are_lanes() -> None:
    barrier = threading.Barrier(3)

    def read(batch: WidthBatch[int]) -> list[int]:
        barrier.wait(20)  # passes only if three are read at once
        return double(batch)

    run = pipeline(read, batch_size=1, num_lanes=2)  # one thread more than lanes
    assert len(list(run(range(9)))) == 9


def test_preparing_goes_on_while_a_batch_is_read() -> None:
    later = threading.Event()

    def prepare_and_tell(number: int) -> Prepared[int]:
        if number == 4:  # taken only after the first line has been handed to be read
            later.set()
        return Prepared(0, number)

    def read(batch: WidthBatch[int]) -> list[int]:
        assert later.wait(20)
        return list(batch.lines)

    run: Numbers = Pipeline(prepare_and_tell, read, batch_size=1, num_lanes=1)
    assert list(run(range(20))) == list(range(20))


class Broken(Exception):
    pass


@pytest.mark.parametrize("place", ["source", "prepare", "read"])
def test_an_error_comes_out_once_and_ends_all(place: str) -> None:
    num_read = 0

    def numbers() -> Iterator[int]:
        for number in range(1000):
            if place == "source" and number == 40:
                raise Broken
            yield number

    def prepare_or_break(number: int) -> Prepared[int]:
        if place == "prepare" and number == 40:
            raise Broken
        return Prepared(0, number)

    def read(batch: WidthBatch[int]) -> list[int]:
        nonlocal num_read
        num_read += 1
        if place == "read" and 40 in batch.lines:
            raise Broken
        return list(batch.lines)

    run: Numbers = Pipeline(prepare_or_break, read, batch_size=2, num_preparers=2, num_lanes=2)
    results = run(numbers())
    got = []
    with pytest.raises(Broken):
        for result in results:
            got.append(result)
    assert got == list(range(len(got))) and len(got) <= 40
    assert next(results, None) is None
    assert num_read < 100


def test_closing_early_stops_the_threads_and_drops_what_waits() -> None:
    prepared = 0

    def count(number: int) -> Prepared[int]:
        nonlocal prepared
        prepared += 1
        return Prepared(0, number)

    before = set(threading.enumerate())
    run: Numbers = Pipeline(count, double_any, batch_size=1, num_preparers=2, num_lanes=2)
    results = run(range(10_000))
    assert [next(results), next(results)] == [0, 1]
    results.close()  # type: ignore[attr-defined]
    assert prepared <= run.look_ahead
    started = set(threading.enumerate()) - before
    assert not [thread for thread in started if thread.name.startswith(("ahead", "read"))]


def double_any(batch: WidthBatch[int]) -> list[int]:
    return list(batch.lines)


def test_an_interruption_while_waiting_stops_the_threads() -> None:
    def numbers() -> Iterator[int]:
        yield from range(20)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(pipeline()(numbers()))


def test_lines_are_let_go_of_once_read() -> None:
    class Line:
        pass

    alive: weakref.WeakSet[Line] = weakref.WeakSet()
    most = 0

    def make(_: int) -> Prepared[Line]:
        line = Line()
        alive.add(line)
        return Prepared(0, line)

    run: Pipeline[int, Line, int] = Pipeline(make, lambda batch: [0] * len(batch.lines), 2)
    for _ in run(range(500)):
        most = max(most, len(alive))
    assert most <= run.look_ahead


def test_done_ahead_keeps_order_and_distance() -> None:
    taken = 0

    def numbers() -> Iterator[int]:
        nonlocal taken
        for number in range(100):
            taken += 1
            yield number

    for given, number in enumerate(done_ahead(str, numbers(), 3, 7)):
        assert number == str(given)
        assert taken - given <= 8


def test_sources_held_in_memory_are_few_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.pipeline.MOST_BYTES_AHEAD", 100)
    taken = given = most = 0

    def sources() -> Iterator[int]:
        nonlocal taken, most
        for number in range(50):
            taken += 1
            most = max(most, taken - given)
            yield number

    gate = threading.Event()

    def work(number: int) -> int:
        gate.wait(60)
        return number

    threading.Timer(0.2, gate.set).start()
    for _ in done_ahead(work, sources(), 2, 1000, num_bytes=lambda _: 40):
        given += 1
    assert (taken, given) == (50, 50)
    assert most <= 4, "100 bytes, and one source more that is being taken"
