"""Finds the images in a request's body, in memory and within limits.

Nothing is written to disk, no name in a request is opened, no address fetched. The event loop
collects what arrives; work that grows with the body is done in threads.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime.serve.bounds.refusal import Refusal
from runtime.serve.settings import Limits

if TYPE_CHECKING:
    from starlette.datastructures import FormData, Headers
    from starlette.requests import Request

_WINDOW_BITS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_FORM = "multipart/form-data"
_MOST_NAME_CHARACTERS = 300
_PIECE_BYTES = 64 * 2**10

NamedBytes = tuple[str | None, bytes]
"""The client's name of an image, which the answer repeats, and the bytes of the image."""


@dataclass(frozen=True)
class Body:
    """A request's complete body.

    Args:
        headers: of the request.
        data: the bytes received, still compressed if they were.
    """

    headers: Headers
    data: bytearray

    @property
    def is_packed(self) -> bool:
        """Whether the body is compressed, so that it may be far longer than what was received."""
        return _encoding(self.headers) != "identity"


def check_headers(request: Request, limits: Limits) -> None:
    """Refuse what can be refused before the body is read.

    Raises:
        Refusal: 413 if the stated length is too large, 400 if it is no number, 415 if the body's
            encoding is unknown.
    """
    text = request.headers.get("content-length")
    if text is not None:
        if not (text.isascii() and text.isdecimal() and len(text) < 20):
            raise Refusal(400, "impossible Content-Length: expected a whole number")
        if int(text) > limits.body_bytes:
            raise _too_long(limits)
    _encoding(request.headers)


async def collect(request: Request, limits: Limits, hold: Callable[[int], None]) -> Body:
    """Receive the body of a request.

    Args:
        request: its body has not been read yet.
        limits: of a request.
        hold: called with the number of bytes received so far.

    Raises:
        Refusal: 413 if it is too long, and what `hold` raises.
    """
    data = bytearray()
    async for chunk in request.stream():
        if len(data) + len(chunk) > limits.body_bytes:
            raise _too_long(limits)
        data += chunk
        hold(len(data))
    return Body(request.headers, data)


def unpacked(body: Body, limits: Limits) -> bytes:
    """Return the body's bytes, decompressed.

    Raises:
        Refusal: 413 if they are too many, 400 if they cannot be decompressed.
    """
    encoding = _encoding(body.headers)
    if encoding == "identity":
        return bytes(body.data)
    unpacker = zlib.decompressobj(_WINDOW_BITS[encoding])
    try:
        # A few bytes may unpack to gigabytes, so the length is bounded here.
        data = unpacker.decompress(body.data, limits.body_bytes + 1)
    except zlib.error as error:
        raise Refusal(400, f"the body cannot be unpacked: {error}") from error
    if len(data) > limits.body_bytes:
        raise _too_long(limits)
    if not unpacker.eof:
        raise Refusal(400, "the body cannot be unpacked: it is cut short")
    if unpacker.unused_data:
        raise Refusal(400, f"the body cannot be unpacked: it holds more than one {encoding} stream")
    return data


def check_kind(request: Request) -> None:
    """Refuse what holds no image by its Content-Type, before the body is read.

    Raises:
        Refusal: 415.
    """
    kind = _kind(request.headers)
    if kind == _FORM:
        return
    if kind.startswith("multipart/") or kind in ("application/json", "text/plain", "text/html"):
        raise Refusal(
            415,
            f"cannot take {kind[:40]} for an image: expected {_FORM} with files, or the bytes of "
            "one image; names and addresses are not opened",
        )


def images_of_body(body: Body, limits: Limits) -> list[NamedBytes]:
    """Return the images of a request: the files of a form, or the body itself.

    Raises:
        Refusal: 400 or 413 if the body holds none, too much, or what is not understood.
    """
    data = unpacked(body, limits)
    is_form = _kind(body.headers) == _FORM
    images: list[NamedBytes] = [(None, data)]
    if is_form:
        images = _form_images(body.headers, data, limits)
    if not images or (len(images) == 1 and not images[0][1]):
        raise Refusal(400, "no image was sent: expected files of a form, or the bytes of one image")
    check_number(len(images), limits)
    return images


def check_number(num_images: int, limits: Limits) -> None:
    """Refuse a request of too many images.

    Raises:
        Refusal: 413.
    """
    if num_images > limits.images_per_request:
        raise Refusal(
            413,
            f"too many images: expected at most {limits.images_per_request} in a request, got "
            f"{num_images}; send several requests",
        )


def _form_images(headers: Headers, data: bytes, limits: Limits) -> list[NamedBytes]:
    """Return the files of a form, parsed in memory.

    Raises:
        Refusal: 400 if it cannot be parsed or holds other fields, 413 for too many files.
    """
    from starlette.datastructures import UploadFile
    from starlette.formparsers import MultiPartException, MultiPartParser

    most_files = limits.images_per_request
    parser = MultiPartParser(
        headers,
        _pieces(data),  # type: ignore[arg-type]
        max_files=most_files,
        max_fields=most_files,
        max_part_size=limits.body_bytes,
    )
    parser.spool_max_size = limits.body_bytes + 1  # so that nothing is written to disk
    images: list[NamedBytes] = []
    try:
        form: FormData = _run_to_end(parser.parse())
        for field, value in form.multi_items():
            if not isinstance(value, UploadFile):
                raise Refusal(
                    400,
                    f"the form's field {field[:_MOST_NAME_CHARACTERS]!r} is no file: expected "
                    "files only, each with a file name",
                )
            name = (value.filename or "")[:_MOST_NAME_CHARACTERS]
            images.append((name, value.file.read()))
            value.file.close()
    except MultiPartException as error:
        if error.message.startswith("Too many files"):
            check_number(most_files + 1, limits)
        raise Refusal(400, f"the form cannot be read: {error.message}") from error
    except (ValueError, KeyError, AssertionError) as error:
        raise Refusal(400, f"the form cannot be read: {error}") from error
    return images


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    """Yield the data in pieces, so that other threads can run; the coroutine never waits."""
    for begin in range(0, len(data), _PIECE_BYTES):
        yield data[begin : begin + _PIECE_BYTES]


def _run_to_end(work: Coroutine[Any, Any, FormData]) -> FormData:
    """Return the result of a coroutine that never waits, without an event loop."""
    try:
        work.send(None)
    except StopIteration as end:
        result: FormData = end.value
        return result
    work.close()
    raise RuntimeError("expected a form in memory, got one that waits for a file")


def _kind(headers: Headers) -> str:
    """Return the content type without its parameters, in lower case."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _encoding(headers: Headers) -> str:
    """Return the content encoding in lower case; refuse, with 415, an unknown one."""
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", *_WINDOW_BITS):
        raise Refusal(
            415,
            f"unknown Content-Encoding {encoding[:40]!r}: expected gzip, deflate or none",
        )
    return encoding


def _too_long(limits: Limits) -> Refusal:
    return Refusal(
        413,
        f"the body is too long: expected at most {limits.body_bytes} bytes; send fewer images at "
        "a time",
    )
