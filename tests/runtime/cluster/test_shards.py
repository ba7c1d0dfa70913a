"""Whatever travels is read as it would be at home."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from runtime.cluster.shards import Shard, Travelling, is_address, shards_of, travelling
from runtime.errors import ImageError
from runtime.images.loading import load_image
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
    frames = [Image.fromarray(one[:20, :20]) for one in line_images[2:5]]
    frames[0].save(folder / "pages.tif", save_all=True, append_images=frames[1:])
    return folder


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
    assert sum(isinstance(one, Page) for one in sources) == 3
    travelled = [travelling(one, with_bytes, DEFAULT_MAX_PIXELS) for one in sources]
    at_home = [read(one) for one in sources]
    monkeypatch.chdir("/")
    if with_bytes:
        odd_files.rename(odd_files.with_name("elsewhere"))
    for one, source, expected in zip(travelled, sources, at_home, strict=True):
        assert one.name == source_name(source) == expected[0]
        assert read(one.source)[1:] == expected[1:]


def test_the_limit_of_pixels_holds_on_the_way_too(odd_files: Path) -> None:
    path = odd_files / "good.png"
    assert isinstance(travelling(path, True, DEFAULT_MAX_PIXELS).source, NamedImage)
    page = travelling(Page(str(odd_files / "pages.tif"), 1), True, 10).source
    assert isinstance(page, Refused) and "expected at most 10" in page.reason


def test_addresses_are_not_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_address("s3://bucket/a.png") and not is_address("a.png")
    assert not is_address(b"s3://") and not is_address(Path("a"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s3:").mkdir()
    (tmp_path / "s3:" / "a.png").touch()
    assert not is_address("s3://a.png"), "a file of that name is that file"
    assert travelling("gs://b/a.png", True, 1) == Travelling("gs://b/a.png", "gs://b/a.png")


def test_shards_hold_so_many_images_or_fewer_large_ones() -> None:
    items = [Travelling(str(one), str(one)) for one in range(10)]
    shards = list(shards_of(items, 4))
    assert [shard.start for shard in shards] == [0, 4, 8]
    assert [item for shard in shards for item in shard.items] == items
    sources = (NamedImage("x", bytes(2**24)), bytes(2**24), np.zeros((2**12, 2**12), np.uint8))
    for source in sources:
        large = [Travelling(None, source) for _ in range(5)]
        assert [len(shard.items) for shard in shards_of(large, 4)] == [2, 2, 1]
    assert not list(shards_of([], 4))


def test_halves_are_the_whole() -> None:
    shard = Shard(7, tuple(Travelling(str(one), str(one)) for one in range(5)), deaths=2)
    first, second = shard.halves()
    assert first.items + second.items == shard.items
    assert (first.start, second.start) == (7, 7 + len(first.items))
