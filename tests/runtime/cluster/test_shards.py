"""Whatever travels is read as it would be at home."""

from __future__ import annotations

import gc
import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from runtime.cluster.contents import Contents
from runtime.cluster.shards import Shard, Travelling, is_address, shards_of, travelling
from runtime.errors import ImageError
from runtime.images.loading import load_image
from runtime.images.pdf.source import PdfPage
from runtime.images.read import DEFAULT_MAX_PIXELS, ImageSource, source_name
from runtime.images.sources import NamedImage, Page, Refused, sources_from

Lines = list[NDArray[np.uint8]]


@pytest.fixture
def odd_files(tmp_path: Path, line_images: Lines) -> Path:
    folder = tmp_path / "odd"
    folder.mkdir()
    cv2.imwrite(str(folder / "good.png"), line_images[0])
    cv2.imwrite(str(folder / "good.jpg"), line_images[1])
    (folder / "empty.png").write_bytes(b"")
    (folder / "cut.jpg").write_bytes((folder / "good.jpg").read_bytes()[:200])
    (folder / "text.png").write_text("no image")
    (folder / "inner.png").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.png")
    frames = [Image.fromarray(image[:20, :20]) for image in line_images[2:5]]
    frames[0].save(folder / "pages.tif", save_all=True, append_images=frames[1:])
    return folder


class Store:
    """Keeps the bytes of files, as Ray does for its readers."""

    def __init__(self, most_bytes: int = 2**30) -> None:
        self.contents = Contents(self.put, most_bytes)
        self.files: list[bytes] = []

    def put(self, data: bytes) -> int:
        self.files.append(data)
        return len(self.files) - 1

    def arrived(self, item: Travelling) -> ImageSource:
        if item.content is None:
            return item.source
        return replace(item.source, data=self.files[item.content.reference])  # type: ignore[type-var]


def sent(source: ImageSource, with_bytes: bool, max_pixels: int) -> Travelling:
    return travelling(source, with_bytes, max_pixels, Store().contents)


def read(source: ImageSource) -> tuple[object, ...]:
    try:
        loaded = load_image(source, DEFAULT_MAX_PIXELS)
    except ImageError as error:
        return source_name(source), str(error)
    return loaded.source, loaded.pixels.tobytes(), loaded.pixels.shape


@pytest.mark.parametrize("with_bytes", [False, True])
def test_read_as_at_home(
    odd_files: Path, with_bytes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(odd_files.parent)
    sources: list[ImageSource] = [
        *sources_from(["odd"]),
        *(f"odd/{name}" for name in ("inner.png", "pipe.png", "none.png", "no*.png")),
        NamedImage("stdin#1", (odd_files / "good.png").read_bytes()),
        Refused("x", "because"),
    ]
    assert sum(isinstance(given_source, Page) for given_source in sources) == 3
    store = Store()
    travelled = [
        travelling(source, with_bytes, DEFAULT_MAX_PIXELS, store.contents) for source in sources
    ]
    at_home = [read(source) for source in sources]
    monkeypatch.chdir("/")
    if with_bytes:
        odd_files.rename(odd_files.with_name("elsewhere"))
    for one, source, expected in zip(travelled, sources, at_home, strict=True):
        assert one.name == source_name(source) == expected[0]
        assert read(store.arrived(one))[1:] == expected[1:]
    assert len(store.files) == with_bytes, "a file of three pages is sent once"


def test_the_limit_of_pixels_holds_on_the_way_too(odd_files: Path) -> None:
    path = odd_files / "good.png"
    assert isinstance(sent(path, True, DEFAULT_MAX_PIXELS).source, NamedImage)
    store, page = Store(), Page(str(odd_files / "pages.tif"), 1)
    arrived = store.arrived(travelling(page, True, 10, store.contents))
    with pytest.raises(ImageError, match="expected at most 10"):
        load_image(arrived, 10)


def test_a_file_of_pages_is_sent_only_within_its_limit(odd_files: Path) -> None:
    store, page = Store(most_bytes=10), PdfPage(str(odd_files / "pages.tif"), 1)
    refused = travelling(page, True, DEFAULT_MAX_PIXELS, store.contents).source
    assert isinstance(refused, Refused) and "too large to be sent" in refused.reason
    gone = travelling(Page("none.tif", 0), True, DEFAULT_MAX_PIXELS, store.contents)
    assert gone == Travelling("none.tif#page=1", Page(os.path.abspath("none.tif"), 0))
    assert not store.files


def test_files_that_came_as_bytes_are_told_apart_and_let_go() -> None:
    store = Store()
    pages = [PdfPage("stdin", number, data=data) for data in (b"one", b"two") for number in (0, 1)]
    items = [travelling(page, False, DEFAULT_MAX_PIXELS, store.contents) for page in pages]
    assert store.files == [b"one", b"two"]
    assert [store.arrived(item) for item in items] == pages
    shard = Shard(0, (Travelling("x", "x"), *items[:3]))
    assert shard.contents() == ([None, 0, 0, 1], [0, 1])
    del items, shard
    gc.collect()
    assert not store.contents._held


def test_a_large_file_of_pages_ends_a_shard_once() -> None:
    store = Store()
    data = bytes(2**25)
    pages = [PdfPage("stdin", number, data=data) for number in range(9)]
    items = [travelling(page, False, DEFAULT_MAX_PIXELS, store.contents) for page in pages]
    assert [len(shard.items) for shard in shards_of(items, 4)] == [1, 4, 4]


def test_addresses_are_not_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_address("s3://bucket/a.png") and not is_address("a.png")
    assert not is_address(b"s3://") and not is_address(Path("a"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s3:").mkdir()
    (tmp_path / "s3:" / "a.png").touch()
    assert not is_address("s3://a.png"), "a file of that name is that file"
    assert sent("gs://b/a.png", True, 1) == Travelling("gs://b/a.png", "gs://b/a.png")


def test_shards_hold_so_many_images_or_fewer_large_ones() -> None:
    items = [Travelling(str(number), str(number)) for number in range(10)]
    shards = list(shards_of(items, 4))
    assert [shard.start for shard in shards] == [0, 4, 8]
    assert [item for shard in shards for item in shard.items] == items
    sources = (NamedImage("x", bytes(2**24)), bytes(2**24), np.zeros((2**12, 2**12), np.uint8))
    for source in sources:
        large = [Travelling(None, source) for _ in range(5)]
        assert [len(shard.items) for shard in shards_of(large, 4)] == [2, 2, 1]
    assert not list(shards_of([], 4))


def test_halves_are_the_whole() -> None:
    shard = Shard(7, tuple(Travelling(str(number), str(number)) for number in range(5)), deaths=2)
    first, second = shard.halves()
    assert first.items + second.items == shard.items
    assert (first.start, second.start) == (7, 7 + len(first.items))
