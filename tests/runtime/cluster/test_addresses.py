from __future__ import annotations

from pathlib import Path

import pytest

from runtime.cluster import addresses
from runtime.cluster.addresses import fetched, images_at, sources_at
from runtime.errors import ArtifactError
from runtime.images.pdf.source import PdfPage
from runtime.images.sources import LeftOut, NamedImage, Refused, find_images
from tests.runtime.images.pdf import odd_files

pytest.importorskip("pyarrow", reason="its file systems are read from")


def test_a_folder_s_images_as_find_images_gives_them(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "c.txt", ".hidden.png", "in/z.png", "in/a.png", ".no/x.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    address = tmp_path.as_uri()
    found = list(images_at(f"{address}/"))
    at_home = list(find_images([tmp_path]))
    assert [match.removeprefix(address) for match in found] == [
        place.removeprefix(str(tmp_path)) for place in at_home
    ]
    assert list(images_at(f"{address}/b.png")) == [f"{address}/b.png"]
    odd = tmp_path / "100 %#1?"
    odd.mkdir()
    (odd / "ä b?.png").write_bytes(b"odd")
    (one,) = images_at(odd.as_uri())
    assert fetched(one, 10) == NamedImage(one, b"odd")


def test_an_object_store_s_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket whose address has a query, on a file system of this machine's memory."""
    fs = pytest.importorskip("pyarrow.fs")
    opened = []

    class Store:
        @staticmethod
        def from_uri(address: str) -> tuple[object, str]:
            opened.append(address)
            bucket = address.partition("://")[2].partition("?")[0].strip("/")
            return store, bucket

    store = fs._MockFileSystem()
    store.create_dir("bucket/a b")
    with store.open_output_stream("bucket/a b/50%.png") as stream:
        stream.write(b"data")
    monkeypatch.setattr(fs, "FileSystem", Store)
    addresses._connection.cache_clear()
    (one,) = images_at("mock://bucket?region=x")
    assert one == "mock://bucket/a%20b/50%25.png?region=x"
    assert fetched(one, 10) == fetched(one, 10) == NamedImage(one, b"data")
    assert opened.count("mock://bucket?region=x") == 2, "one to list, one for all that is fetched"
    addresses._connection.cache_clear()


def test_bytes_come_under_the_name_of_their_address(tmp_path: Path) -> None:
    (tmp_path / "a b%.png").write_bytes(b"data")
    address = (tmp_path / "a b%.png").as_uri()
    assert fetched(address, 10) == NamedImage(address, b"data")


def test_pages_of_pdf_files_are_counted_where_the_command_runs(tmp_path: Path) -> None:
    pytest.importorskip("pypdfium2", reason="pypdfium2 opens PDF files")
    data = odd_files.pages("", "", "")
    (tmp_path / "a b.PDF").write_bytes(data)
    (tmp_path / "b.png").write_bytes(b"%PDF- whatever it holds, its reader says")
    (tmp_path / "c.pdf").write_bytes(odd_files.encrypted())
    (tmp_path / "d.txt").write_bytes(b"")
    address, left_out = tmp_path.as_uri(), LeftOut()
    *pages, picture, refused = sources_at(address, 10, left_out, 200)
    name = f"{address}/a%20b.PDF"
    assert pages == [PdfPage(name, number, False, 200, data) for number in range(3)]
    assert picture == f"{address}/b.png" and left_out.count == 1
    assert isinstance(refused, Refused) and "encrypted" in refused.reason
    (gone,) = sources_at(f"{address}/none.pdf", 10)
    assert isinstance(gone, Refused) and gone.reason.startswith("no such file")


def test_what_cannot_be_had_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = fetched(f"{tmp_path.as_uri()}/none.png", 10)
    assert isinstance(missing, Refused) and missing.reason.startswith("no such file")
    unknown = fetched("gopher://a/b.png", 10)
    assert isinstance(unknown, Refused) and "cannot be fetched" in unknown.reason
    with pytest.raises(ArtifactError, match=r"cannot list gopher://a/b: .*; check the address"):
        list(images_at("gopher://a/b"))
    (tmp_path / "large.png").write_bytes(bytes(100))
    monkeypatch.setattr("runtime.cluster.addresses.most_bytes", lambda pixels: 99)
    large = fetched((tmp_path / "large.png").as_uri(), 10)
    assert isinstance(large, Refused) and "expected at most 99 bytes" in large.reason
