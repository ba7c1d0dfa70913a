"""From a request's body to the bytes of images, in memory and within limits.

Nothing is written to disk, no name in a request is ever opened, no address fetched.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING

from runtime.serve.refusal import Refusal
from runtime.serve.settings import Limits

if TYPE_CHECKING:
    from starlette.requests import Request

_WINDOW_BITS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_MOST_PARTS = 10_000
_MOST_NAME_CHARACTERS = 300

NamedBytes = tuple[str | None, bytes]
"""The name that a client gave an image, to find it again in the answer, and its bytes."""


def declared_length(request: Request, limits: Limits) -> int:
    """Bytes that the body has by its header, the most allowed if it does not say.

    Raises:
        Refusal: 413 if that is too long, 400 if it is no number.
    """
    text = request.headers.get("content-length")
    if text is None:
        return limits.body_bytes
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise Refusal(400, "impossible Content-Length: expected a whole number")
    if int(text) > limits.body_bytes:
        raise _too_long(limits)
    return int(text)


async def read_body(request: Request, limits: Limits) -> bytes:
    """The whole body, unpacked.

    Raises:
        Refusal: 413 if it is too long, 415 or 400 if it cannot be unpacked.
    """
    return b"".join([chunk async for chunk in _chunks(request, limits)])


async def read_images(request: Request, limits: Limits) -> list[NamedBytes]:
    """The images of a request: the files of a form, or the body itself.

    Raises:
        Refusal: 400, 413 or 415 if the body holds none, too much, or what is not understood.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        images = await _form_images(request, limits)
    elif kind.startswith("multipart/") or kind in ("application/json", "text/plain", "text/html"):
        raise Refusal(
            415,
            f"cannot take {kind} for an image: expected multipart/form-data with files, or the "
            "bytes of one image; names and addresses are not opened",
        )
    else:
        images = [(None, await read_body(request, limits))]
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


async def _form_images(request: Request, limits: Limits) -> list[NamedBytes]:
    from starlette.datastructures import UploadFile
    from starlette.formparsers import MultiPartException, MultiPartParser

    parser = MultiPartParser(
        request.headers,
        _chunks(request, limits),
        max_files=_MOST_PARTS,
        max_fields=_MOST_PARTS,
        max_part_size=limits.body_bytes,
    )
    parser.spool_max_size = limits.body_bytes + 1  # so that nothing is written to disk
    images: list[NamedBytes] = []
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Refusal(400, f"the form cannot be read: {error.message}") from error
    except (ValueError, KeyError, AssertionError) as error:
        raise Refusal(400, f"the form cannot be read: {error}") from error
    try:
        for field, value in form.multi_items():
            if not isinstance(value, UploadFile):
                raise Refusal(
                    400,
                    f"the form's field {field[:_MOST_NAME_CHARACTERS]!r} is no file: expected "
                    "files only, each with a file name",
                )
            images.append(((value.filename or "")[:_MOST_NAME_CHARACTERS], await value.read()))
    finally:
        await form.close()
    return images


async def _chunks(request: Request, limits: Limits) -> AsyncGenerator[bytes, None]:
    """The body as it comes, unpacked, cut off where it becomes too long."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", *_WINDOW_BITS):
        raise Refusal(
            415,
            f"unknown Content-Encoding {encoding[:40]!r}: expected gzip, deflate or none",
        )
    stream: AsyncIterator[bytes] = request.stream()
    if encoding != "identity":
        stream = _unpacked(stream, _WINDOW_BITS[encoding], limits.body_bytes + 1)
    num_bytes = 0
    async for chunk in stream:
        num_bytes += len(chunk)
        if num_bytes > limits.body_bytes:
            raise _too_long(limits)
        yield chunk


async def _unpacked(
    packed: AsyncIterator[bytes], window_bits: int, most_bytes: int
) -> AsyncGenerator[bytes, None]:
    """A few bytes may unpack to gigabytes, so never more than `most_bytes` at a time."""
    unpacker = zlib.decompressobj(window_bits)
    try:
        async for chunk in packed:
            yield unpacker.decompress(chunk, most_bytes)
        if not unpacker.eof:
            raise Refusal(400, "the body cannot be unpacked: it is cut short")
    except zlib.error as error:
        raise Refusal(400, f"the body cannot be unpacked: {error}") from error


def _too_long(limits: Limits) -> Refusal:
    return Refusal(
        413,
        f"the body is too long: expected at most {limits.body_bytes} bytes; send fewer images at "
        "a time",
    )
