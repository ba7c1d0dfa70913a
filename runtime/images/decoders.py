"""Decodes, in processes that can be ended, files whose header does not bound the work.

A decoder that loops cannot be stopped in a thread, and one that exhausts memory or crashes ends
the whole process. So a few processes are kept, each lent to one thread at a time, started when
needed: that costs 0.3 s once, and then half a millisecond per image.
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
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from runtime.errors import ImageError
from runtime.images.decoder_process import ALARMS, READY, REPLY, REQUEST, received
from runtime.images.decoding import decode_image

SECONDS_PER_IMAGE = 5.0
"""CPU time after which decoding is given up: 500 times what a line of text takes."""

PIXELS_PER_SECOND = 4 * 2**20
"""Each pixel adds time at this rate; JPEG 2000, the slowest, decodes 4.7 M pixels a second."""

SECONDS_PER_CPU_SECOND = 2.0
"""Time by the clock for each second of CPU time, for a machine that is busy with other work."""

MOST_IDLE = 16
"""Idle processes that are kept; each takes some 60 MB."""

_START_SECONDS = 30.0
_END_SECONDS = 1.0
_GRACE_SECONDS = 0.5
_SPARE_BYTES = 128 * 2**20
_BYTES_PER_PIXEL = 64
"""Twice what JPEG 2000 takes: 32 bits for each of four channels, twice, and the result."""
_BYTES_PER_FILE_BYTE = 4
_COMMAND = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from runtime.images.decoder_process import main; main()"
)
Size = tuple[int, int]

_IS_POSSIBLE = os.name == "posix"  # elsewhere no socket can be a standard stream


def decode_elsewhere(
    data: bytes, size: Size, page: int | None, num_pixels: int, max_pixels: int
) -> NDArray[np.uint8]:
    """Decode an image as `decode_image` does, in another process with bounded time and memory.

    Args:
        data, size, page: as `decode_image`.
        num_pixels: pixels to decode for it; time and memory are bounded accordingly.
        max_pixels: OpenCV allocates for no larger image, whatever the header says.

    Raises:
        ImageError: as `decode_image`, or if the bounds are reached, or the decoder crashes.
    """
    if not _IS_POSSIBLE:
        return decode_image(data, size, page)
    decoder = _take(max_pixels)
    is_sound = False
    try:
        image = decoder.decode(data, size, page, num_pixels)
        is_sound = True
        return image
    except _Refusal as refusal:
        is_sound = True
        raise ImageError(str(refusal)) from None
    finally:
        _give_back(decoder, is_sound)


def end_idle_decoders() -> None:
    """End the idle processes; others are started when needed."""
    with _lock:
        idle = _idle[:]
        _idle.clear()
        _alive.difference_update(idle)
    for decoder in idle:
        decoder.end()


def end_all_decoders() -> None:
    """End all processes, those in use too: who waits for one gets an `ImageError` at once."""
    with _lock:
        alive = list(_alive)
        _idle.clear()
        _alive.clear()
    for decoder in alive:
        decoder.kill()


class _Refusal(Exception):
    """An image that a decoder refuses; the decoder itself goes on."""


class _Decoder:
    """A process that decodes, and the socket to it."""

    def __init__(self, max_pixels: int) -> None:
        self.max_pixels = max_pixels
        environment = {
            **os.environ,
            # OpenCV checks this between reading a header and allocating for it.
            "OPENCV_IO_MAX_IMAGE_PIXELS": str(max_pixels),
            "OPENCV_LOG_LEVEL": "SILENT",
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            # Each arena of malloc reserves 64 MiB, which would count against the limit.
            "MALLOC_ARENA_MAX": "1",
        }
        self._socket, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _COMMAND, json.dumps([*map(os.fspath, sys.path)])],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,  # Ctrl-C must reach the parent alone
            )
        except OSError as error:
            self._socket.close()
            raise ImageError(
                f"cannot start the process that decodes it: {error.strerror}; "
                "save the image as a PNG"
            ) from error
        finally:
            theirs.close()
        try:
            self._receive(len(READY), time.monotonic() + _START_SECONDS)
        except BaseException as error:
            self.kill()
            if not isinstance(error, OSError | EOFError):
                raise
            raise ImageError(
                f"the process that decodes it does not start: expected {sys.executable} to be a "
                "Python that imports cv2 as this one does; save the image as a PNG"
            ) from error

    def decode(
        self, data: bytes, size: Size, page: int | None, num_pixels: int
    ) -> NDArray[np.uint8]:
        """Decode an image; after any error but a `_Refusal` the process must not be used again."""
        cpu_seconds = SECONDS_PER_IMAGE + num_pixels / PIXELS_PER_SECOND
        seconds = cpu_seconds * SECONDS_PER_CPU_SECOND
        memory = _SPARE_BYTES + num_pixels * _BYTES_PER_PIXEL + len(data) * _BYTES_PER_FILE_BYTE
        number = -1 if page is None else page
        request = REQUEST.pack(len(data), *size, number, cpu_seconds, seconds, memory)
        deadline = time.monotonic() + seconds + _GRACE_SECONDS
        try:
            self._send(request, deadline)
            self._send(data, deadline)
            is_decoded, first, second = REPLY.unpack(self._receive(REPLY.size, deadline))
            if not is_decoded:  # `first` is the length of the reason
                raise _Refusal(self._receive(first, deadline).decode())
            if (second, first) not in (size, size[::-1]):
                raise ImageError("the decoder answered nonsense")
            pixels = self._receive(first * second * 3, deadline)
            return np.frombuffer(pixels, np.uint8).reshape(first, second, 3)
        except (OSError, EOFError) as error:
            if isinstance(error, TimeoutError) or self._is_out_of_time():
                reason = (
                    f"decoding was given up after {cpu_seconds:.1f} s of the CPU or "
                    f"{seconds:.1f} s in all"
                )
            else:
                reason = (
                    "the decoder crashed, or took more memory than an image of "
                    f"{size[0]} x {size[1]} px needs"
                )
            raise ImageError(f"{reason}; save the image again, as a PNG or JPEG") from error

    def _is_out_of_time(self) -> bool:
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
        """End a process even while it decodes."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes up the thread that waits
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        self._socket.close()

    def forget(self) -> None:
        """Close the socket in a forked process, without ending the decoder of the parent."""
        self._socket.close()
        self._process.returncode = 0

    def _send(self, data: bytes, deadline: float) -> None:
        self._wait_until(deadline)
        self._socket.sendall(data)

    def _receive(self, num_bytes: int, deadline: float) -> bytearray:
        self._wait_until(deadline)
        data = received(self._socket, num_bytes)
        if len(data) < num_bytes:
            raise EOFError
        return data

    def _wait_until(self, deadline: float) -> None:
        self._socket.settimeout(max(deadline - time.monotonic(), 0.001))


_lock = threading.Lock()
_idle: list[_Decoder] = []
_alive: set[_Decoder] = set()


def _take(max_pixels: int) -> _Decoder:
    """Return the last used idle decoder with this limit, or start a new one."""
    with _lock:
        for decoder in [decoder for decoder in _idle if not decoder.is_alive()]:
            _idle.remove(decoder)
            _alive.discard(decoder)
        for place in range(len(_idle) - 1, -1, -1):
            if _idle[place].max_pixels == max_pixels:
                return _idle.pop(place)
    decoder = _Decoder(max_pixels)
    with _lock:
        _alive.add(decoder)
    return decoder


def _give_back(decoder: _Decoder, is_sound: bool) -> None:
    """Keep a decoder as idle; end it if it failed, or else the oldest if there are too many."""
    with _lock:
        ended = None if is_sound and decoder in _alive else decoder
        if ended is None:
            _idle.append(decoder)
            if len(_idle) > MOST_IDLE:
                ended = _idle.pop(0)
        if ended is not None:
            _alive.discard(ended)
    if ended is not None:
        ended.kill()


def _forget_all() -> None:
    """Forget the decoders in a forked process, as they are its parent's."""
    global _lock
    _lock = threading.Lock()
    for decoder in _alive:
        decoder.forget()
    _idle.clear()
    _alive.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
atexit.register(end_all_decoders)
