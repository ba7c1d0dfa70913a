"""Loads batches ahead of the training step, in worker processes, always in order.

Workers return 8-bit images through pipes, so no shared memory is needed and none can run full. Each
has a pipe of its own: when a worker dies, even amid an answer, its reader notices at once, whereas
the reader of a shared pipe would wait for ever.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import pickle
import queue
import signal
import threading
import traceback
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import cv2

from runtime.errors import DatasetError
from training.data.dataset import SampleDataset
from training.data.planned import PlannedBatch
from training.data.sample import Failure, Sample

Loaded = list[Sample | Failure]
_BATCHES_AHEAD_PER_WORKER = 2
_END_WAIT_S = 5.0


def _work(dataset: SampleDataset, pipe: multiprocessing.connection.Connection) -> None:
    """Answer requests of (planned batch, epoch) until the pipe is closed."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Ctrl-C is for the training process, which then ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(0)
    while True:
        try:
            batch, epoch = pipe.recv()
        except EOFError:
            return
        answer: Loaded | Exception
        try:
            answer = dataset.load_batch(batch, epoch)
        except Exception as error:
            answer = _portable(error)
        pipe.send(answer)


def _portable(error: Exception) -> Exception:
    """Return the error with this process's traceback, or its text where it cannot be pickled."""
    text = "".join(traceback.format_exception(error))
    try:
        error.add_note(f"in a data worker:\n{text}")
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(text)
    return error


def _end_with_parent() -> None:
    """End a worker whose training process was killed; it would otherwise wait for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)


class _Worker:
    """A process that loads batches, one at a time.

    Args:
        dataset: picklable.
    """

    def __init__(self, dataset: SampleDataset) -> None:
        context = multiprocessing.get_context("forkserver")
        self._pipe, far_end = context.Pipe()
        self.process = context.Process(target=_work, args=(dataset, far_end), daemon=True)
        self.process.start()
        far_end.close()

    def ask(self, batch: PlannedBatch, epoch: int) -> Loaded | Exception:
        """Return the samples, or what went wrong in loading them.

        Raises:
            DatasetError: if the process died.
        """
        try:
            self._pipe.send((batch, epoch))
            answer: Loaded | Exception = self._pipe.recv()
        except (EOFError, OSError) as error:
            self.process.join(_END_WAIT_S)
            raise DatasetError(
                "a data worker died: expected it to go on loading, got "
                f"{_how_it_ended(self.process.exitcode)}; most often the machine ran out of "
                "memory: lower loader.num_workers or batch_size_per_card"
            ) from error
        return answer

    def end(self) -> None:
        """End the process, whatever it does; a thread that waits for its answer sees that."""
        self.process.kill()


def _how_it_ended(exit_code: int | None) -> str:
    if exit_code is None:
        return "no answer"
    return f"signal {-exit_code}" if exit_code < 0 else f"its end with status {exit_code}"


class Loader:
    """Samples of planned batches, prefetched.

    Args:
        dataset: picklable.
        num_workers: processes; 0 loads in this one.
    """

    def __init__(self, dataset: SampleDataset, num_workers: int) -> None:
        self.dataset = dataset
        self.num_workers = num_workers
        self._workers: list[_Worker] = []
        self._idle: queue.SimpleQueue[_Worker | None] = queue.SimpleQueue()
        self._threads: ThreadPoolExecutor | None = None

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def worker_ids(self) -> list[int]:
        """Process ids of the workers that were started."""
        return [worker.process.pid or 0 for worker in self._workers]

    def close(self) -> None:
        """End the workers."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        self._idle.put(None)  # whoever waits for a worker gets none
        for worker in self._workers:
            worker.end()
        self._threads, self._workers, self._idle = None, [], queue.SimpleQueue()

    def load(self, batches: Iterable[PlannedBatch], epoch: int) -> Iterator[Loaded]:
        """Yield the samples of each batch, in the order of `batches`.

        Raises:
            DatasetError: if a worker dies.
        """
        if self.num_workers == 0:
            for batch in batches:
                yield self.dataset.load_batch(batch, epoch)
            return
        threads = self._start()
        ahead: deque[Future[Loaded]] = deque()
        try:
            for batch in batches:
                ahead.append(threads.submit(_ask_idle, self._idle, batch, epoch))
                if len(ahead) >= self.num_workers * _BATCHES_AHEAD_PER_WORKER:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        except DatasetError:
            self.close()
            raise
        finally:
            for future in ahead:
                future.cancel()

    def _start(self) -> ThreadPoolExecutor:
        """Start the workers, and a thread for each that receives what it loads."""
        if self._threads is None:
            self._workers = [_Worker(self.dataset) for _ in range(self.num_workers)]
            for worker in self._workers:
                self._idle.put(worker)
            self._threads = ThreadPoolExecutor(self.num_workers, "data")
        return self._threads


def _ask_idle(idle: queue.SimpleQueue[Any], batch: PlannedBatch, epoch: int) -> Loaded:
    """Let a worker that does nothing load a batch.

    Raises:
        DatasetError: if it dies, or another one has.
        Exception: what loading raised.
    """
    worker: _Worker | None = idle.get()
    try:
        if worker is None:
            raise DatasetError("a data worker died: expected it to go on loading, got no answer")
        answer = worker.ask(batch, epoch)
    except BaseException:
        idle.put(None)
        raise
    idle.put(worker)
    if isinstance(answer, Exception):
        raise answer
    return answer
