"""Processes that answer requests about files from outside, each lent to one thread at a time.

Code that loops cannot be stopped in a thread, and code that exhausts memory or crashes ends the
whole process. So a few processes are kept, started when needed: that costs 0.3 s once, and then
half a millisecond per request.
"""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

from runtime.errors import ImageError
from runtime.processes.child import ALARMS, READY, received

SECONDS_PER_CPU_SECOND = 2.0
"""Time by the clock for each second of CPU time, for a machine that is busy with other work."""

MOST_IDLE = 16
"""Idle processes that are kept; each takes some 60 MB."""

GRACE_SECONDS = 0.5
"""Beyond a request's time by the clock, for a process that ends itself to have done so."""

IS_POSSIBLE = os.name == "posix"
"""Elsewhere no socket can be a standard stream."""

_START_SECONDS = 30.0
_END_SECONDS = 1.0
_COMMAND = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {module} import main; main()"
)
_ENVIRONMENT = {
    "OPENCV_LOG_LEVEL": "SILENT",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    # Each arena of malloc reserves 64 MiB, which would count against the limit.
    "MALLOC_ARENA_MAX": "1",
}


class Refusal(Exception):
    """What a process answers where it cannot do as asked; the process itself goes on."""


class KeptProcess:
    """A process that answers requests, and the socket to it.

    Args:
        module: whose `main` answers, from the socket that is its standard input.
        kind: only a process of the same kind is lent again.
        work: what it does to a file, for messages, e.g. `decodes`.
        needs: what has to be importable for it.
        environment: of the process, besides this one's.

    Raises:
        ImageError: if it does not start.
    """

    def __init__(
        self,
        module: str,
        kind: Hashable = None,
        work: str = "decodes",
        needs: str = "cv2",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.kind = kind
        self._socket, theirs = socket.socketpair()
        paths = json.dumps([*map(os.fspath, sys.path)])
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _COMMAND.format(module=module), paths],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **_ENVIRONMENT, **(environment or {})},
                start_new_session=True,  # Ctrl-C must reach the parent alone
            )
        except OSError as error:
            self._socket.close()
            raise ImageError(
                f"cannot start the process that {work} it: {error.strerror}; "
                "save the image as a PNG"
            ) from error
        finally:
            theirs.close()
        try:
            self.receive(len(READY), time.monotonic() + _START_SECONDS)
        except BaseException as error:
            self.kill()
            if not isinstance(error, OSError | EOFError):
                raise
            raise ImageError(
                f"the process that {work} it does not start: expected {sys.executable} to be a "
                f"Python that imports {needs} as this one does; save the image as a PNG"
            ) from error

    def send(self, data: bytes, deadline: float) -> None:
        """Send bytes.

        Args:
            data: to send.
            deadline: of `time.monotonic`.

        Raises:
            OSError: if the process has ended or does not take them in time.
        """
        self._wait_until(deadline)
        self._socket.sendall(data)

    def receive(self, num_bytes: int, deadline: float) -> bytearray:
        """Receive bytes.

        Raises:
            OSError: if they do not come in time.
            EOFError: if the process has ended.
        """
        self._wait_until(deadline)
        data = received(self._socket, num_bytes)
        if len(data) < num_bytes:
            raise EOFError
        return data

    def is_out_of_time(self) -> bool:
        """Tell whether an alarm ended the process."""
        with suppress(subprocess.TimeoutExpired):
            return -self._process.wait(_END_SECONDS) in ALARMS
        return False

    def is_alive(self) -> bool:
        """Tell whether the process runs: an idle process may have been ended from outside."""
        return self._process.poll() is None

    def end(self) -> None:
        """End an idle process by closing its socket."""
        self._socket.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End a process even while it works."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes up the thread that waits
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        self._socket.close()

    def forget(self) -> None:
        """Close the socket in a forked process, without ending the process of the parent."""
        self._socket.close()
        self._process.returncode = 0

    def _wait_until(self, deadline: float) -> None:
        self._socket.settimeout(max(deadline - time.monotonic(), 0.001))


Process = TypeVar("Process", bound=KeptProcess)


class ProcessPool(Generic[Process]):
    """Processes of which each is lent to one thread at a time; they end with this one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Process] = []
        self.alive: set[Process] = set()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget_all)
        atexit.register(self.end_all)

    @contextmanager
    def lent(self, kind: Hashable, start: Callable[[], Process]) -> Iterator[Process]:
        """Lend a process to a block; it is kept if the block ends well or with a `Refusal`.

        Args:
            kind: of the process.
            start: starts one.

        Raises:
            ImageError: as `start`, or for a `Refusal`, with its text.
        """
        process = self._take(kind, start)
        is_sound = False
        try:
            yield process
            is_sound = True
        except Refusal as refusal:
            is_sound = True
            raise ImageError(str(refusal)) from None
        finally:
            self._give_back(process, is_sound)

    def end_idle(self) -> None:
        """End the idle processes; others are started when needed."""
        with self._lock:
            idle = self._idle[:]
            self._idle.clear()
            self.alive.difference_update(idle)
        for process in idle:
            process.end()

    def end_all(self) -> None:
        """End all processes, those in use too: who waits for one gets an error at once."""
        with self._lock:
            alive = list(self.alive)
            self._idle.clear()
            self.alive.clear()
        for process in alive:
            process.kill()

    def _take(self, kind: Hashable, start: Callable[[], Process]) -> Process:
        """Return the last used idle process of this kind, or start a new one."""
        with self._lock:
            for process in [process for process in self._idle if not process.is_alive()]:
                self._idle.remove(process)
                self.alive.discard(process)
            for place in range(len(self._idle) - 1, -1, -1):
                if self._idle[place].kind == kind:
                    return self._idle.pop(place)
        process = start()
        with self._lock:
            self.alive.add(process)
        return process

    def _give_back(self, process: Process, is_sound: bool) -> None:
        """Keep a process as idle; end it if it failed, or else the oldest if there are too many."""
        with self._lock:
            ended = None if is_sound and process in self.alive else process
            if ended is None:
                self._idle.append(process)
                if len(self._idle) > MOST_IDLE:
                    ended = self._idle.pop(0)
            if ended is not None:
                self.alive.discard(ended)
        if ended is not None:
            ended.kill()

    def _forget_all(self) -> None:
        """Forget the processes in a forked process, as they are its parent's."""
        self._lock = threading.Lock()
        for process in self.alive:
            process.forget()
        self._idle.clear()
        self.alive.clear()
