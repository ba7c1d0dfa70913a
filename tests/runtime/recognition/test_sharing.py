"""The same answer whatever the batch size, the neighbours and the number of threads."""

from __future__ import annotations

import importlib.util
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from runtime import (
    EngineError,
    Recognition,
    Recognizer,
    RecognizerSpec,
    find_images,
    read_image,
)
from tests.runtime.recognition.test_recognizer import EchoSession

pytest.importorskip("onnxruntime", reason="models are read with it")

Lines = list[NDArray[np.uint8]]
NUM_THREADS, NUM_IMAGES = 8, 2000
IMAGES = Path(__file__).parents[3] / "images"


def told(results: list[Recognition]) -> list[str]:
    """Everything that was read, every bit of every confidence."""
    return [repr(result) for result in results]


@pytest.mark.parametrize(("batch_size", "threads"), [(1, 1), (2, 1), (5, 3), (64, 2)])
def test_bits_do_not_depend_on_batch_size_neighbours_and_threads(
    toy_path: Path, line_images: Lines, batch_size: int, threads: int
) -> None:
    with Recognizer(toy_path, device="cpu", batch_size=1, threads=1) as alone:
        expected = [alone([image])[0] for image in line_images]
    order = np.random.default_rng(batch_size).permutation(len(line_images)).tolist()
    with Recognizer(toy_path, device="cpu", batch_size=batch_size, threads=threads) as together:
        got = together([line_images[index] for index in order])
    assert told(got) == told([expected[index] for index in order])


def test_bits_of_a_real_network_do_not_depend_on_them_either(line_images: Lines) -> None:
    """One whose matrix products round differently when lines are run in one batch."""
    found = importlib.util.find_spec("rapidocr")
    if found is None or found.origin is None:
        pytest.skip("its model is read")
    model = Path(found.origin).parent / "models" / "PP-OCRv6_rec_small.onnx"
    images = [read_image(path) for path in find_images([IMAGES])][:8] + line_images[:8]
    with Recognizer(model, device="cpu", batch_size=1, threads=1) as alone:
        expected = [told(alone([image]))[0] for image in images]
    with Recognizer(model, device="cpu", batch_size=8, threads=2) as together:
        assert told(together(images[::-1])) == expected[::-1]
    assert len(set(expected)) > 8


def test_threads_that_share_a_recognizer_read_what_one_reads(
    toy_path: Path, line_images: Lines
) -> None:
    rng = np.random.default_rng(5)
    shares = [
        [
            line_images[index]
            for index in rng.integers(0, len(line_images), NUM_IMAGES // NUM_THREADS)
        ]
        for _ in range(NUM_THREADS)
    ]
    with Recognizer(toy_path, device="cpu", threads=1) as one:
        expected = [told(one(share)) for share in shares]
    with (
        Recognizer(toy_path, device="cpu", threads=3) as shared,
        ThreadPoolExecutor(NUM_THREADS) as pool,
    ):
        got = [told(results) for results in pool.map(shared, shares)]
    assert got == expected
    assert len({text for share in got for text in share}) > 10


def test_a_session_that_is_not_shared_is_used_by_one_thread_at_a_time(
    spec: RecognizerSpec, line_images: Lines
) -> None:
    class OneAtATime(EchoSession):
        in_use = False

        def read(
            self, lines: Lines, width_px: int
        ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
            assert not self.in_use
            self.in_use = True
            time.sleep(0.001)
            result = super().read(lines, width_px)
            self.in_use = False
            return result

    recognizer = Recognizer(OneAtATime(spec), batch_size=4, threads=4)
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        results = list(pool.map(recognizer, [line_images] * NUM_THREADS))
    assert all(reading == results[0] for reading in results)


def test_an_engine_that_fails_is_told_once_and_the_recognizer_goes_on(
    spec: RecognizerSpec, line_images: Lines
) -> None:
    class Failing(EchoSession):
        is_broken = True

        def read(
            self, lines: Lines, width_px: int
        ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
            if self.is_broken:
                raise EngineError("out of memory")
            return super().read(lines, width_px)

    session = Failing(spec)
    recognizer = Recognizer(session)
    with pytest.raises(EngineError, match="out of memory"):
        recognizer(line_images)
    session.is_broken = False
    assert len(recognizer(line_images)) == len(line_images)


def test_closing_waits_for_what_is_being_read(spec: RecognizerSpec, line_images: Lines) -> None:
    class Slow(EchoSession):
        was_closed_while_reading = False

        def read(
            self, lines: Lines, width_px: int
        ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
            time.sleep(0.05)
            self.was_closed_while_reading |= self.is_closed
            return super().read(lines, width_px)

    session = Slow(spec)
    recognizer = Recognizer(session)
    stream = recognizer.stream(line_images)
    next(stream)
    closer = threading.Thread(target=recognizer.close)
    closer.start()
    closer.join(20)
    assert session.is_closed and not session.was_closed_while_reading
    stream.close()  # type: ignore[attr-defined]


def resident_mib() -> float:
    """Memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_memory_stays_flat(toy_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Random widths; SOAK_IMAGES sets their number."""
    num_images = int(os.environ.get("SOAK_IMAGES", "20000"))
    rng = np.random.default_rng(0)

    def images() -> Iterator[NDArray[np.uint8]]:
        for width, height in rng.integers((4, 8), (1200, 70), (num_images, 2)).tolist():
            yield rng.integers(0, 256, (height, width, 3), dtype=np.uint8)

    held: list[tuple[int, float]] = []
    with Recognizer(toy_path, device="cpu") as recognizer:
        for position, result in enumerate(recognizer.stream(images())):
            assert result.error is None
            if position % (num_images // 100) == 0 and position >= num_images // 5:
                held.append((position, resident_mib()))
    positions, memory = np.array(held).T
    slope = float(np.polyfit(positions, memory, 1)[0]) * 100_000
    with capsys.disabled():
        print(f"\n{num_images} images: {memory.max():.0f} MiB, {slope:+.2f} MiB per 100,000")
    assert memory[-10:].mean() - memory[:10].mean() < 5
