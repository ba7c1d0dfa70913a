"""Streams of names and images, whole and broken, fast and silent."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import OcrError
from runtime.images.sources import NamedImage, Refused
from runtime.infer.standard_input import StandardInput


@contextmanager
def standard_input(
    *chunks: bytes, is_over: Callable[[], bool] = lambda: False
) -> Iterator[StandardInput]:
    """A pipe into which a thread writes these chunks, one after the other."""
    reading, writing = os.pipe()

    def write() -> None:
        with open(writing, "wb", buffering=0) as pipe:
            for chunk in chunks:
                pipe.write(chunk)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield StandardInput(reading, is_over)
    finally:
        writer.join()
        os.close(reading)


@pytest.mark.parametrize(
    ("chunks", "names"),
    [
        ([], []),
        ([b"a.png\nb c.png\n"], ["a.png", "b c.png"]),
        ([b"a.p", b"ng\r\n\n", b"last.png"], ["a.png", "last.png"]),
        ([b"\xff.png\n"], [os.fsdecode(b"\xff.png")]),
    ],
)
def test_names(chunks: list[bytes], names: list[str]) -> None:
    with standard_input(*chunks) as stream:
        assert list(stream.names()) == names


def framed(*images: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(image)) + image for image in images)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=6), st.integers(1, 50))
def test_images_arrive_as_they_were_sent(images: list[bytes], chunk: int) -> None:
    data = framed(*images)
    with standard_input(*(data[at : at + chunk] for at in range(0, len(data), chunk))) as stream:
        got = list(stream.images(most_bytes=60))
    assert got == [
        NamedImage(f"stdin#image={number}", image) for number, image in enumerate(images, 1)
    ]


def test_an_image_too_long_is_passed_over() -> None:
    with standard_input(framed(b"abc", b"x" * 100_000, b"de")) as stream:
        first, second, third = stream.images(most_bytes=10)
    assert (first, third) == (
        NamedImage("stdin#image=1", b"abc"),
        NamedImage("stdin#image=3", b"de"),
    )
    assert isinstance(second, Refused) and "too large: 100000 bytes" in second.reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (framed(b"abcdef")[:-2], "ends after 4 of its 6 bytes"),
        (framed(b"x" * 50)[:-9], "ends after 41 of its 50 bytes"),
        (b"\0\0", "ends within the length"),
        (b"\xff\xff\xff\xffabc", "ends after 3 of its 4294967295 bytes"),
    ],
)
def test_a_stream_that_breaks_off_is_reported(data: bytes, reason: str) -> None:
    with standard_input(framed(b"one") + data) as stream:
        first, broken = stream.images(most_bytes=10)
    assert first == NamedImage("stdin#image=1", b"one")
    assert isinstance(broken, Refused) and reason in broken.reason


@pytest.mark.skipif(os.name != "posix", reason="waits with select")
def test_waiting_can_be_broken_off() -> None:
    reading, writing = os.pipe()
    questions = iter([False, False, True])
    try:
        assert list(StandardInput(reading, lambda: next(questions, True)).names()) == []
    finally:
        os.close(reading)
        os.close(writing)


def test_names_of_windows() -> None:
    for text in ("\ufeffa.png\r\nb.png\r\n".encode(), "a.png\r\nb.png".encode("utf-16")):
        with standard_input(*(text[at : at + 1] for at in range(len(text)))) as stream:
            assert list(stream.names()) == ["a.png", "b.png"]


def test_line_without_end_is_passed_over_in_pieces() -> None:
    with standard_input(b"a.png\n", *[b"x" * 2**16] * 64, b"y\nb.png\n") as stream:
        names = stream.names()
        assert next(names) == "a.png"
        refused = next(names)
        assert isinstance(refused, Refused) and refused.name.startswith("xxx")
        assert len(stream._buffer) <= 2**18
        assert list(names) == ["b.png"]


def test_stream_that_cannot_be_read_is_an_error() -> None:
    descriptor = os.open(os.devnull, os.O_WRONLY)
    try:
        with pytest.raises(OcrError, match="cannot read standard input"):
            list(StandardInput(descriptor, lambda: False).names())
    finally:
        os.close(descriptor)
