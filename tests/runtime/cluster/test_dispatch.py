"""Shards and dying readers, on a stand-in for Ray that holds no processes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from runtime.cluster.dispatch import Dispatch
from runtime.cluster.shards import Shard, Travelling
from runtime.errors import EngineError
from runtime.images.read import ImageSource
from runtime.recognition.result import Recognition


class RayError(Exception):
    """As `ray.exceptions.RayError`."""


class RayTaskError(RayError):
    """As Ray's: what a reader raised."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Reference:
    """A result to come."""

    def __init__(self, reader: FakeReader | None, work: Callable[[], Any]) -> None:
        self.reader, self.work = reader, work


class FakeReader:
    """Reads names; one that begins with `deadly` ends it, and all it has in hand."""

    def __init__(self, ray: FakeRay) -> None:
        self.is_dead, self.ray = False, ray
        self.read = SimpleNamespace(remote=lambda sources: self._reference(sources))

    def _reference(self, sources: list[str]) -> Reference:
        self.ray.in_hand += len(sources)
        self.ray.most_in_hand = max(self.ray.most_in_hand, self.ray.in_hand)
        return Reference(self, lambda: self._texts(sources))

    def _texts(self, sources: list[str]) -> list[Recognition]:
        self.ray.in_hand -= len(sources)
        self.is_dead |= any(source.startswith("deadly") for source in sources)
        if self.is_dead:
            raise RayError("The actor died.\n exit detail: killed")
        return [Recognition(text=source.upper(), confidence=1.0) for source in sources]


class FakeRay:
    """`wait`, `get` and `kill`; what is done first is a matter of luck."""

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __init__(self, openings: list[Exception] | None = None) -> None:
        self.luck = random.Random(5)
        self.openings = openings or []
        self.readers: list[FakeReader] = []
        self.killed: list[FakeReader] = []
        self.in_hand = self.most_in_hand = 0

    def start(self) -> tuple[FakeReader, Reference]:
        reader = FakeReader(self)
        self.readers.append(reader)
        failure = self.openings.pop(0) if self.openings else None

        def opened() -> str:
            if failure is not None:
                raise failure
            return "open"

        return reader, Reference(None, opened)

    def wait(
        self, references: list[Reference], timeout: float
    ) -> tuple[list[Reference], list[Reference]]:
        chosen = self.luck.choice(references)
        return [chosen], [reference for reference in references if reference is not chosen]

    def get(self, reference: Reference) -> Any:
        return reference.work()

    def kill(self, reader: FakeReader) -> None:
        self.killed.append(reader)


def shards(names: list[str], size: int) -> Iterator[Shard]:
    for start in range(0, len(names), size):
        some = names[start : start + size]
        yield Shard(start, tuple(Travelling(f"file {source}", source) for source in some))


def failed(source: ImageSource, error: str) -> Recognition:
    return Recognition(text="", confidence=0.0, source=str(source), error=error)


def read(
    ray: FakeRay, names: list[str], size: int = 4, readers: int = 3, ahead: int = 40
) -> list[Recognition]:
    parts = shards(names, size)
    dispatch = Dispatch(ray, ray.start, readers, parts, ahead, lambda: False, failed)
    return list(dispatch.results())


def test_results_come_in_input_order_under_the_names_given() -> None:
    ray, names = FakeRay(), [f"n{number}" for number in range(101)]
    results = read(ray, names)
    assert [result.text for result in results] == [name.upper() for name in names]
    assert [result.source for result in results] == [f"file {name}" for name in names]
    assert len(ray.readers) == 3 and set(ray.killed) == set(ray.readers), "none is left behind"


def test_no_more_readers_than_there_is_work_for() -> None:
    ray = FakeRay()
    assert len(read(ray, ["a", "b"], size=4, readers=9)) == 2
    assert len(ray.readers) == 1
    assert read(FakeRay(), []) == []


def test_the_input_is_not_taken_far_ahead() -> None:
    ray, taken, ahead = FakeRay(), 0, 40

    def counted() -> Iterator[Shard]:
        nonlocal taken
        for shard in shards([str(number) for number in range(2000)], 4):
            taken += len(shard.items)
            yield shard

    dispatch = Dispatch(ray, ray.start, 3, counted(), ahead, lambda: False, failed)
    for given, _ in enumerate(dispatch.results(), start=1):
        assert taken - given < ahead + 4


@pytest.mark.parametrize("position", [0, 17, 100])
def test_an_image_that_ends_every_reader_is_found_and_nothing_else_is_lost(position: int) -> None:
    names = [f"n{number}" for number in range(101)]
    names[position] = "deadly"
    ray = FakeRay()
    results = read(ray, names, size=16)
    assert [result.source for result in results] == [f"file {name}" for name in names]
    failed = [result for result in results if result.error is not None]
    assert [result.source for result in failed] == ["file deadly"]
    assert "ended 3 processes" in str(failed[0].error) and "killed" in str(failed[0].error)
    assert [result.text for result in results if result.error is None] == [
        name.upper() for name in names if name != "deadly"
    ]


def test_several_deadly_images_are_told_apart() -> None:
    names = [f"deadly {number}" if number % 13 == 5 else f"n{number}" for number in range(80)]
    results = read(FakeRay(), names, size=8, readers=2)
    assert [result.error is not None for result in results] == [
        name.startswith("d") for name in names
    ]


def test_readers_that_never_open_end_the_run() -> None:
    failures: list[Exception] = [RayError("node gone")] * 9
    with pytest.raises(EngineError, match=r"readers end before the model is open: .* node gone"):
        read(FakeRay(failures), ["a"])
    some: list[Exception] = [RayError("gone"), RayError("gone")]
    assert len(read(FakeRay(some), ["a"])) == 1, "one that opens in the end is enough"


def test_what_a_reader_says_is_said() -> None:
    with pytest.raises(EngineError, match="no CUDA here"):
        read(FakeRay([RayTaskError(EngineError("no CUDA here"))]), ["a"])
    with pytest.raises(RayTaskError, match="a bug"):
        read(FakeRay([RayTaskError(ValueError("a bug"))]), ["a"])


def test_it_ends_when_it_is_over() -> None:
    ray, given = FakeRay(), 0
    names = [str(number) for number in range(500)]
    parts = shards(names, 4)
    dispatch = Dispatch(ray, ray.start, 2, parts, 40, lambda: given > 10, failed)
    for _ in dispatch.results():
        given += 1
    assert 10 < given < 60 and set(ray.killed) == set(ray.readers)
