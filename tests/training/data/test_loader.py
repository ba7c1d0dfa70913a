"""Batches come in order from any number of workers, and what happens in a worker is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.errors import DatasetError
from runtime.recognition.charset import Charset
from runtime.recognition.spec import WidthPolicy
from training.data.dataset import SampleDataset
from training.data.loader import Loader
from training.data.planned import PlannedBatch
from training.data.sample import Sample
from training.data.synthetic import SyntheticDataSet
from training.recognition.augment import RecAug
from training.recognition.transforms import CTCLabelEncode, DecodeImage, RecResizeImg

BATCHES = [
    PlannedBatch(indices) for indices in ((5, 2), (0,), (7, 6, 1), (3, 4), (5, 5), (2, 0, 1), (6,))
]

# Transforms for workers have to be importable by them, which this file is not.
TRANSFORMS = """
import os

def die(sample, draw):
    if sample.name.startswith("synthetic line 3 "):
        os._exit(9)
    return sample

def die_amid_an_answer(sample, draw):
    if sample.name.startswith("synthetic line 3 "):
        import multiprocessing.connection, signal, struct

        def send_a_part(self, data):
            os.write(self._handle, struct.pack("!i", 10**6) + b"x" * 100)
            os.kill(os.getpid(), signal.SIGKILL)

        multiprocessing.connection.Connection._send_bytes = send_a_part
    return sample

def fail(sample, draw):
    if sample.name.startswith("synthetic line 3 "):
        raise ZeroDivisionError("a bug of ours in line 3")
    return sample
"""


def dataset(*more: Any) -> SampleDataset:
    characters = tuple("abcdef")
    source = SyntheticDataSet(characters, count=8, seed=1, max_text_length=4)
    transforms = [
        DecodeImage(),
        RecAug(),
        CTCLabelEncode(Charset(characters), 4),
        RecResizeImg(WidthPolicy(), [3, 32, 320]),
        *more,
    ]
    return SampleDataset(source, transforms, range(8), True, 1)


@pytest.fixture
def worker_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A module that workers can import: they are started with this process's sys.path."""
    (tmp_path / "worker_transforms.py").write_text(TRANSFORMS)
    monkeypatch.syspath_prepend(str(tmp_path))
    import worker_transforms  # type: ignore[import-not-found]

    yield worker_transforms
    del sys.modules["worker_transforms"]


def samples(loader: Loader, epoch: int = 0) -> list[list[tuple[str, str, bytes]]]:
    loaded = []
    for batch in loader.load(BATCHES, epoch):
        assert all(isinstance(sample, Sample) for sample in batch)
        loaded.append([(sample.name, sample.text, sample.image.tobytes()) for sample in batch])  # type: ignore[union-attr]
    return loaded


def is_alive(process: int) -> bool:
    """Whether a process runs; one that waits to be collected does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(processes: list[int]) -> list[int]:
    """Those of `processes` that are still alive after a while."""
    deadline = time.monotonic() + 20
    while (
        alive := [process for process in processes if is_alive(process)]
    ) and time.monotonic() < deadline:
        time.sleep(0.02)
    return alive


def test_order_and_content_do_not_depend_on_the_workers() -> None:
    with Loader(dataset(), 0) as alone, Loader(dataset(), 2) as many:
        expected = samples(alone)
        names = [[name.split()[2] for name, _, _ in batch] for batch in expected]
        assert names == [[str(index) for index in batch] for batch in BATCHES]
        assert samples(many) == expected
        assert samples(many, epoch=1) == samples(alone, epoch=1) != expected
        processes = many.worker_ids
        assert len(processes) == 2 and all(map(is_alive, processes))
        # Left early and taken up again, as at the end of a run that is cut short.
        half = many.load(BATCHES, 0)
        assert len(next(half)) == 2
        half.close()
        assert samples(many) == expected
    assert wait_until_gone(processes) == []


def test_a_worker_that_dies_is_one_clear_error(worker_module: Any) -> None:
    with Loader(dataset(worker_module.die), 1) as loader:
        with pytest.raises(DatasetError, match="a data worker died"):
            samples(loader)
        with pytest.raises(DatasetError, match="a data worker died"):  # and not for ever after
            samples(loader)
        assert len(next(loader.load([PlannedBatch((0, 1))], 0))) == 2


def test_a_worker_that_is_killed_amid_an_answer_does_not_hang_the_run(worker_module: Any) -> None:
    with (
        Loader(dataset(worker_module.die_amid_an_answer), 2) as loader,
        pytest.raises(DatasetError, match=r"a data worker died: .* got signal 9; .*num_workers"),
    ):
        samples(loader)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_bug_in_a_transform_keeps_its_traceback(num_workers: int, worker_module: Any) -> None:
    with (
        Loader(dataset(worker_module.fail), num_workers) as loader,
        pytest.raises(ZeroDivisionError, match="a bug of ours in line 3"),
    ):
        samples(loader)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to see processes")
def test_workers_end_with_a_training_process_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "loads.py"
    script.write_text(
        textwrap.dedent(
            """
            import time
            from training.data.dataset import SampleDataset
            from training.data.loader import Loader
            from training.data.planned import PlannedBatch
            from training.data.synthetic import SyntheticDataSet

            if __name__ == "__main__":
                source = SyntheticDataSet(tuple("abc"), count=8, seed=1)
                loader = Loader(SampleDataset(source, [], range(8), True, 1), 2)
                next(loader.load([PlannedBatch((place,)) for place in range(5)], 0))
                print(*loader.worker_ids, flush=True)
                time.sleep(60)
            """
        )
    )
    root = Path(__file__).resolve().parents[3]
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert process.stdout is not None
    workers = [int(word) for word in process.stdout.readline().split()]
    assert workers and all(map(is_alive, workers))
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert wait_until_gone(workers) == []


def test_images_come_as_8_bit_pixels() -> None:
    with Loader(dataset(), 1) as loader:
        (one, _), *_ = loader.load(BATCHES, 0)
    assert isinstance(one, Sample) and one.image.dtype == np.uint8 and one.image.shape[0] == 32
