"""Threads that are kept from one use to the next."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

_Kind = tuple[int, int, str]
"""Process, number of threads and name: a process that was forked off has none of the threads."""


class Threads:
    """Pools of threads, each lent to one user at a time.

    Starting threads for every call costs time and, for ever, memory: OpenCV keeps about 0.9 KiB of
    each thread that ended after sharing a resize with its own (opencv/opencv issue 9745).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: defaultdict[_Kind, list[ThreadPoolExecutor]] = defaultdict(list)
        self._is_closed = False

    @contextmanager
    def pool(self, num_threads: int, name: str) -> Iterator[ThreadPoolExecutor]:
        """Lend a pool to a block; an error in the block ends its threads.

        Work that has not begun is then dropped, work that has is waited for.

        Args:
            num_threads: of the pool.
            name: prefix of the threads' names.
        """
        kind = os.getpid(), num_threads, name
        with self._lock:
            idle = self._idle[kind]
            pool = idle.pop() if idle else ThreadPoolExecutor(num_threads, name)
        is_kept = False
        try:
            yield pool
            with self._lock:
                is_kept = not self._is_closed
                if is_kept:
                    self._idle[kind].append(pool)
        finally:
            if not is_kept:
                pool.shutdown(wait=True, cancel_futures=True)

    def close(self) -> None:
        """End the idle threads now, and the others when their user gives them back."""
        with self._lock:
            self._is_closed = True
            idle = [pool for pools in self._idle.values() for pool in pools]
            self._idle.clear()
        for pool in idle:
            pool.shutdown(wait=True)
