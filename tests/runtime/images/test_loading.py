"""Whatever happens to one image stands in its result, and the others go on."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest

from runtime.errors import ImageError
from runtime.images import loading
from runtime.images.loading import LoadedImage, load_image, num_bytes_of
from runtime.images.sources import NamedImage, Page, Refused

GREY = np.full((20, 60, 3), 128, dtype=np.uint8)
FAILURES = [
    MemoryError(),
    cv2.error("bad\nargument"),
    AttributeError("module 'cv2' has no attribute 'imdecodeanimation'"),
    RecursionError("too deep"),
    ValueError("x" * 100_000),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda one: type(one).__name__)
def test_whatever_fails_is_a_reason(failure: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(loading, "read_image", fail)
    with pytest.raises(ImageError) as error:
        load_image(b"of a file", 100)
    reason = str(error.value)
    assert "\n" not in reason and len(reason) < 500
    if isinstance(failure, MemoryError):
        assert reason.startswith("no memory is left")


def test_interruption_is_no_failure_of_an_image(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(loading, "read_image", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load_image(b"of a file", 100)


@pytest.fixture(params=["TIFF", "GIF"])
def pages(request: pytest.FixtureRequest) -> bytes:
    image = pytest.importorskip("PIL.Image", reason="pillow writes the pages")
    first, *more = [image.new("L", (20, 10), 60 * page) for page in range(3)]
    stream = io.BytesIO()
    first.save(stream, request.param, save_all=True, append_images=more)
    return stream.getvalue()


def test_pages_that_are_not_read_are_warned_of(pages: bytes, tmp_path: Path) -> None:
    path = tmp_path / "pages"
    path.write_bytes(pages)
    for source, remedy in {
        str(path): "runtime.sources_from([path])",
        path: "runtime.sources_from([path])",
        pages: "as a file of its own",
        NamedImage("x", pages): "as a file of its own",
    }.items():
        image = load_image(source, 10_000)
        assert isinstance(image, LoadedImage)
        (warning,) = image.warnings
        assert warning.startswith("1 of 3 pages read; ") and remedy in warning


def test_single_pages_are_not_warned_of(
    pages: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pages"
    path.write_bytes(pages)
    single = bytes(cv2.imencode(".png", GREY)[1])
    for source in (Page(str(path), 1), GREY, single, NamedImage("x", single)):
        image = load_image(source, 10_000)
        assert isinstance(image, LoadedImage) and image.warnings == ()
    monkeypatch.setattr(loading, "pages_in", lambda _: 1 / 0)
    image = load_image(pages, 10_000)
    assert isinstance(image, LoadedImage), "a warning that fails is no failure of the image"


def test_memory_of_sources() -> None:
    sized = (b"abc", bytearray(3), memoryview(b"abc"), NamedImage("x", b"abc"))
    assert [num_bytes_of(source) for source in sized] == [3, 3, 3, 3]
    assert num_bytes_of(GREY) == 3600
    named = ("a.png", Path("a.png"), Page("a.tif", 0), Refused("a", "b"))
    assert [num_bytes_of(source) for source in named] == [0, 0, 0, 0]
