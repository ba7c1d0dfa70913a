from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from runtime.errors import EngineError, OcrError
from runtime.serve.batcher import Batcher, Record, ReplicaLost
from runtime.serve.bounds.refusal import Refusal


class Replica:
    """Answers with the image's own bytes, once it is let go."""

    def __init__(self, *failures: Exception | None) -> None:
        self.calls: list[list[bytes]] = []
        self.failures = list(failures)
        self.go = asyncio.Event()
        self.go.set()

    async def read(self, images: Sequence[bytes]) -> list[Record]:
        self.calls.append(list(images))
        failure = self.failures.pop(0) if self.failures else None
        await self.go.wait()
        await asyncio.sleep(0)
        if failure is not None:
            raise failure
        return [{"text": image.decode()} for image in images]


def texts(records: Sequence[Record]) -> list[str]:
    return [record["text"] for record in records]


def run(work: Any) -> Any:
    return asyncio.run(asyncio.wait_for(work, 30))


def test_answers_come_in_the_order_of_the_images() -> None:
    async def work() -> None:
        replica = Replica()
        batcher = Batcher(replica.read, max_batch=3)
        assert texts(
            await batcher.read(
                [b"%d" % number for number in range(10)], [number % 2 for number in range(10)]
            )
        ) == [str(number) for number in range(10)]
        assert all(len(call) <= 3 for call in replica.calls)

    run(work())


def test_requests_of_many_callers_share_a_call() -> None:
    async def work() -> None:
        replica = Replica()
        replica.go.clear()
        batcher = Batcher(replica.read, max_batch=8, max_wait_s=5, calls_at_once=2)
        callers = [asyncio.create_task(batcher.read([b"%d" % index])) for index in range(9)]
        await asyncio.sleep(0.05)
        # The first found an idle replica, the others waited for each other.
        assert [len(call) for call in replica.calls] == [1, 8]
        replica.go.set()
        for number, caller in enumerate(callers):
            assert texts(await caller) == [str(number)]

    run(work())


def test_a_batch_that_is_not_full_is_read_after_the_longest_wait() -> None:
    async def work() -> None:
        replica = Replica()
        replica.go.clear()
        batcher = Batcher(replica.read, max_batch=8, max_wait_s=0.02, calls_at_once=2)
        callers = [asyncio.create_task(batcher.read([b"%d" % number])) for number in range(3)]
        await asyncio.sleep(0.2)
        assert [len(call) for call in replica.calls] == [1, 2]
        replica.go.set()
        await asyncio.gather(*callers)

    run(work())


def test_the_oldest_comes_first_and_brings_those_of_its_bucket() -> None:
    async def work() -> None:
        replica = Replica()
        replica.go.clear()
        batcher = Batcher(replica.read, max_batch=3, calls_at_once=1)
        first = asyncio.create_task(batcher.read([b"x"]))
        await asyncio.sleep(0)
        images = [b"b1", b"a1", b"b2", b"a2", b"c1"]
        others = asyncio.create_task(batcher.read(images, [image[0] for image in images]))
        await asyncio.sleep(0)
        replica.go.set()
        assert texts(await others) == ["b1", "a1", "b2", "a2", "c1"]
        await first
        assert replica.calls == [[b"x"], [b"b1", b"b2", b"a1"], [b"a2", b"c1"]]

    run(work())


def test_no_more_calls_at_once_than_allowed() -> None:
    async def work() -> None:
        replica = Replica()
        replica.go.clear()
        batcher = Batcher(replica.read, max_batch=1, calls_at_once=3)
        reading = asyncio.create_task(batcher.read([b"%d" % number for number in range(10)]))
        await asyncio.sleep(0.05)
        assert len(replica.calls) == 3
        replica.go.set()
        await reading
        assert len(replica.calls) == 10

    run(work())


def test_images_of_a_lost_replica_are_read_again_one_by_one_and_answered_once() -> None:
    async def work() -> None:
        lost: list[int] = []
        replica = Replica(None, ReplicaLost("killed"))
        replica.go.clear()
        batcher = Batcher(replica.read, calls_at_once=2, on_lost=lost.append, max_wait_s=0)
        first = asyncio.create_task(batcher.read([b"0"]))
        await asyncio.sleep(0)
        reading = asyncio.create_task(batcher.read([b"1", b"2"]))
        await asyncio.sleep(0)
        replica.go.set()
        assert texts(await reading) == ["1", "2"]
        assert texts(await first) == ["0"]
        assert lost == [2]
        assert sorted(map(len, replica.calls)) == [1, 1, 1, 2]

    run(work())


def test_an_image_that_kills_every_replica_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.serve.batcher._FIRST_PAUSE_S", 0.001)

    async def read(images: Sequence[bytes]) -> list[Record]:
        if b"poison" in images:
            raise ReplicaLost("killed")
        return [{"text": image.decode()} for image in images]

    async def work() -> None:
        batcher = Batcher(read, max_wait_s=0.05)
        blocker = asyncio.create_task(batcher.read([b"a"]))
        good = asyncio.create_task(batcher.read([b"b", b"c"]))
        bad = asyncio.create_task(batcher.read([b"poison"]))
        assert texts(await good) == ["b", "c"]
        assert texts(await blocker) == ["a"]
        with pytest.raises(Refusal, match="6 replicas died"):
            await bad

    run(work())


def test_what_the_engine_says_reaches_who_is_to_blame_and_nobody_else() -> None:
    async def read(images: Sequence[bytes]) -> list[Record]:
        if b"bad" in images:
            raise EngineError("no memory")
        return [{"text": image.decode()} for image in images]

    async def work() -> None:
        batcher = Batcher(read, max_wait_s=0.02)
        first = asyncio.create_task(batcher.read([b"a"]))
        good = asyncio.create_task(batcher.read([b"b", b"c"]))
        bad = asyncio.create_task(batcher.read([b"d", b"bad"]))
        with pytest.raises(EngineError, match="no memory"):
            await bad
        assert texts(await good) == ["b", "c"] and texts(await first) == ["a"]
        assert texts(await batcher.read([b"e"])) == ["e"]

    run(work())


def test_too_few_answers_are_an_error_and_not_swapped() -> None:
    async def read(images: Sequence[bytes]) -> list[Record]:
        return [{"text": "one is missing"}] * (len(images) - 1)

    async def work() -> None:
        with pytest.raises(OcrError, match="expected 1 answers of a replica, got 0"):
            await Batcher(read).read([b"a", b"b"])

    run(work())


def test_who_gives_up_is_not_read() -> None:
    async def work() -> None:
        replica = Replica()
        replica.go.clear()
        batcher = Batcher(replica.read, calls_at_once=1)
        first = asyncio.create_task(batcher.read([b"a"]))
        await asyncio.sleep(0)
        second = asyncio.create_task(batcher.read([b"b"]))
        third = asyncio.create_task(batcher.read([b"c"]))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.sleep(0)
        replica.go.set()
        assert texts(await third) == ["c"]
        await first
        assert [b"b"] not in replica.calls and sum(map(len, replica.calls)) == 2

    run(work())


def test_a_storm_of_callers_each_gets_its_own() -> None:
    """Losses, cancellations and every size of request together."""
    num_before = threading.active_count()  # of other tests too

    async def work() -> None:
        turn = iter(range(10**6))

        async def read(images: Sequence[bytes]) -> list[Record]:
            await asyncio.sleep(0.001 * (next(turn) % 3))
            if next(turn) % 17 == 3:
                raise ReplicaLost("killed")
            return [{"text": image.decode()} for image in images]

        batcher = Batcher(read, max_batch=5, calls_at_once=3)

        async def caller(number: int) -> None:
            wanted = [f"{number}-{index}" for index in range(1 + number % 7)]
            task = asyncio.create_task(
                batcher.read([text.encode() for text in wanted], list(map(len, wanted)))
            )
            if number % 11 == 0:
                await asyncio.sleep(0.001)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            else:
                assert texts(await task) == wanted

        await asyncio.gather(*(caller(number) for number in range(200)))

    run(work())
    assert threading.active_count() < num_before + 50
