"""Loads batches ahead of the training step, in worker processes, always in order.

Workers return 8-bit lines through pipes, so no shared memory is needed and none can run full.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType

import cv2

from runtime.errors import DatasetError
from training.data.dataset import LineDataset
from training.data.sample import Failure, Sample

Loaded = list[Sample | Failure]
_BATCHES_AHEAD_PER_WORKER = 2
_worker_dataset: LineDataset | None = None


def _start_worker(dataset: LineDataset) -> None:
    global _worker_dataset
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Ctrl-C is for the training process, which then ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(0)
    _worker_dataset = dataset


def _end_with_parent() -> None:
    """A worker whose training process was killed would otherwise wait for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)


def _load_in_worker(indices: list[int], epoch: int) -> Loaded:
    assert _worker_dataset is not None
    return [_worker_dataset.load(index, epoch) for index in indices]


class Loader:
    """Samples of planned batches, prefetched.

    Args:
        dataset: picklable.
        num_workers: processes; 0 loads in this one.
    """

    def __init__(self, dataset: LineDataset, num_workers: int) -> None:
        self.dataset = dataset
        self.num_workers = num_workers
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Loader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the workers."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def load(self, batches: Iterable[list[int]], epoch: int) -> Iterator[Loaded]:
        """Samples of each batch, in the order of `batches`.

        Raises:
            DatasetError: if a worker dies.
        """
        if self.num_workers == 0:
            for indices in batches:
                yield [self.dataset.load(index, epoch) for index in indices]
            return
        pool = self._workers()
        ahead: deque[Future[Loaded]] = deque()
        try:
            for indices in batches:
                ahead.append(pool.submit(_load_in_worker, indices, epoch))
                if len(ahead) >= self.num_workers * _BATCHES_AHEAD_PER_WORKER:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        except BrokenProcessPool as error:
            self._pool = None
            raise DatasetError(
                "a data worker died: expected it to go on loading, got no answer; most often the "
                "machine ran out of memory: lower loader.num_workers or batch_size_per_card"
            ) from error
        finally:
            for future in ahead:
                future.cancel()

    def _workers(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.num_workers,
                mp_context=multiprocessing.get_context("forkserver"),
                initializer=_start_worker,
                initargs=(self.dataset,),
            )
        return self._pool
