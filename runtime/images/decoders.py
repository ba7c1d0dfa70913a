"""Decodes, in processes that can be ended, files whose header does not bound the work."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from runtime.errors import ImageError
from runtime.images.decoder_process import REPLY, REQUEST
from runtime.images.decoding import decode_image
from runtime.processes.kept import (
    GRACE_SECONDS,
    IS_POSSIBLE,
    SECONDS_PER_CPU_SECOND,
    KeptProcess,
    ProcessPool,
    Refusal,
)

SECONDS_PER_IMAGE = 5.0
"""CPU time after which decoding is given up: 500 times what a line of text takes."""

PIXELS_PER_SECOND = 4 * 2**20
"""Each pixel adds time at this rate; JPEG 2000, the slowest, decodes 4.7 M pixels a second."""

_SPARE_BYTES = 128 * 2**20
_BYTES_PER_PIXEL = 64
"""Twice what JPEG 2000 takes: 32 bits for each of four channels, twice, and the result."""
_BYTES_PER_FILE_BYTE = 4

Size = tuple[int, int]


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
    if not IS_POSSIBLE:
        return decode_image(data, size, page)
    with _decoders.lent(max_pixels, lambda: _Decoder(max_pixels)) as decoder:
        return decoder.decode(data, size, page, num_pixels)


class _Decoder(KeptProcess):
    """A process that decodes images of at most so many pixels."""

    def __init__(self, max_pixels: int) -> None:
        # OpenCV checks this between reading a header and allocating for it.
        environment = {"OPENCV_IO_MAX_IMAGE_PIXELS": str(max_pixels)}
        super().__init__("runtime.images.decoder_process", kind=max_pixels, environment=environment)

    def decode(
        self, data: bytes, size: Size, page: int | None, num_pixels: int
    ) -> NDArray[np.uint8]:
        """Decode an image; after any error but a `Refusal` the process must not be used again."""
        cpu_seconds = SECONDS_PER_IMAGE + num_pixels / PIXELS_PER_SECOND
        seconds = cpu_seconds * SECONDS_PER_CPU_SECOND
        memory = _SPARE_BYTES + num_pixels * _BYTES_PER_PIXEL + len(data) * _BYTES_PER_FILE_BYTE
        number = -1 if page is None else page
        request = REQUEST.pack(len(data), *size, number, cpu_seconds, seconds, memory)
        deadline = time.monotonic() + seconds + GRACE_SECONDS
        try:
            self.send(request, deadline)
            self.send(data, deadline)
            is_decoded, first, second = REPLY.unpack(self.receive(REPLY.size, deadline))
            if not is_decoded:  # `first` is the length of the reason
                raise Refusal(self.receive(first, deadline).decode())
            if (second, first) not in (size, size[::-1]):
                raise ImageError("the decoder answered nonsense")
            pixels = self.receive(first * second * 3, deadline)
            return np.frombuffer(pixels, np.uint8).reshape(first, second, 3)
        except (OSError, EOFError) as error:
            if isinstance(error, TimeoutError) or self.is_out_of_time():
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


_decoders: ProcessPool[_Decoder] = ProcessPool()
_alive = _decoders.alive
end_idle_decoders = _decoders.end_idle
end_all_decoders = _decoders.end_all
