"""What the user names becomes single images, in order, and nothing that is named gets lost."""

from __future__ import annotations

import io
import os
import shutil
import sys
import tracemalloc
from pathlib import Path

import pytest

from runtime.errors import ArtifactError
from runtime.images import sources
from runtime.images.sources import LeftOut, Page, Refused, find_images, sources_from


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "b.png",
        "a.JPG",
        "notes.txt",
        ".hidden.png",
        ".cache/x.png",
        "sub/c.tiff",
        "sub/deep/d.webp",
        "zzz.jpeg/inside.png",
        "odd[1].png",
        "scan.dat",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "empty").mkdir()
    return tmp_path


def found(folder: Path, *names: str) -> list[str]:
    return [
        os.path.relpath(path, folder) for path in find_images([folder / name for name in names])
    ]


def test_a_folder_gives_its_images_in_order(folder: Path) -> None:
    assert found(folder, "") == [
        "a.JPG",
        "b.png",
        "odd[1].png",
        "sub/c.tiff",
        "sub/deep/d.webp",
        "zzz.jpeg/inside.png",
    ]


def test_a_named_file_is_taken_whatever_its_name(folder: Path) -> None:
    named = ["scan.dat", ".hidden.png", "odd[1].png", "b.png", "b.png"]
    assert found(folder, *named) == named


def test_patterns(folder: Path) -> None:
    assert found(folder, "*.png") == ["b.png", "odd[1].png"]
    assert found(folder, "sub/**") == ["sub/c.tiff", "sub/deep/d.webp"]
    assert found(folder, "**/*.[tw]*") == ["sub/c.tiff", "sub/deep/d.webp"]
    assert found(folder, "[ab].*") == ["a.JPG", "b.png"]


def test_what_names_nothing_is_handed_on(folder: Path) -> None:
    names = ["none.png", "*.gif", "empty", "b.png"]
    assert found(folder, *names) == names


@pytest.mark.parametrize("suffix", ["jfif", "JFIF", "jpf", "jpx", "j2k", "mpo", "pam"])
def test_other_suffixes_of_images(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a.{suffix}").touch()
    assert found(tmp_path, "") == [f"a.{suffix}"]


def test_a_file_of_endless_pages_is_refused_and_the_others_come(tmp_path: Path) -> None:
    span = 2 + 12 * 60_000
    data = bytearray(16 + span + 4)
    data[:12] = b"II*\0\x08\0\0\0" + (60_000).to_bytes(2, "little") + b"\0\0"
    data[12:14] = data[8:10]
    data[8 + span : 12 + span] = (12).to_bytes(4, "little")
    (tmp_path / "a.tif").write_bytes(data)
    (tmp_path / "b.png").touch()
    refused, other = sources_from([str(tmp_path)])
    assert isinstance(refused, Refused) and "too many entries" in refused.reason
    assert other == str(tmp_path / "b.png")


def test_links_to_folders_are_not_followed(folder: Path) -> None:
    (folder / "sub" / "loop").symlink_to(folder)
    (folder / "sub" / "link.png").symlink_to(folder / "b.png")
    assert found(folder, "sub") == ["sub/c.tiff", "sub/deep/d.webp", "sub/link.png"]


def test_relative_paths_stay_relative(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert list(find_images(["sub", "b.png"])) == ["sub/c.tiff", "sub/deep/d.webp", "b.png"]


def test_a_folder_that_links_to_itself_ends(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "again").symlink_to(tmp_path)
    assert list(find_images([str(tmp_path)])) == [str(tmp_path / "a.png")]
    assert len(list(find_images([str(tmp_path / "**" / "*.png")]))) >= 1


def test_lists(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / name).touch()
    names = tmp_path / "names.txt"
    names.write_bytes(b"%s/b.png\r\n\n%s/none.png\n%s/c.*" % ((os.fsencode(tmp_path),) * 3))
    got = list(sources_from([f"@{names}", str(tmp_path / "a.png")]))
    assert got == [str(tmp_path / name) for name in ("b.png", "none.png", "c.png", "a.png")]


def test_a_file_whose_name_looks_like_a_list_is_that_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("@a.png").touch()
    assert list(sources_from(["@a.png"])) == ["@a.png"]
    with pytest.raises(ArtifactError, match=r"cannot read the list none\.txt"):
        list(sources_from(["@none.txt"]))


def write_pages(path: Path, count: int) -> None:
    image = pytest.importorskip("PIL.Image", reason="pillow writes the pages")
    first, *more = [image.new("L", (20, 10), 20 * page) for page in range(count)]
    stream = io.BytesIO()
    first.save(stream, "TIFF", save_all=True, append_images=more)
    path.write_bytes(stream.getvalue())


def test_pages_are_images_of_their_own(tmp_path: Path) -> None:
    one, three = tmp_path / "1.tif", tmp_path / "3.tif"
    write_pages(one, 1)
    write_pages(three, 3)
    got = list(sources_from([str(tmp_path)]))
    assert got == [str(one), *(Page(str(three), number) for number in range(3))]
    assert [page.name for page in got[1:] if isinstance(page, Page)] == [
        f"{three}#page={number}" for number in (1, 2, 3)
    ]


def test_too_many_pages_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MOST_PAGES", 2)
    write_pages(tmp_path / "3.tif", 3)
    (got,) = sources_from([str(tmp_path)])
    assert isinstance(got, Refused) and "3 pages or frames, expected at most 2" in got.reason


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tif")
    assert list(sources_from([str(tmp_path)])) == [str(tmp_path / "pipe.tif")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_lists_of_windows(tmp_path: Path, encoding: str) -> None:
    mark = "\ufeff" if encoding.endswith("e") else ""
    file = tmp_path / "names.txt"
    text = f"{mark}{tmp_path}/b.png\r\n\r\n{tmp_path}/日本 ਊ.png\r\n{tmp_path}/last.png"
    file.write_bytes(text.encode(encoding))
    assert list(sources_from([f"@{file}"])) == [
        str(tmp_path / name) for name in ("b.png", "日本 ਊ.png", "last.png")
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_line_that_is_no_name_is_refused_and_the_others_go_on(
    tmp_path: Path, encoding: str
) -> None:
    file = tmp_path / "names.txt"
    file.write_bytes(f"a.png\n{'x' * 2**20}\n{'ਊ' * 2**17}\nb.png\n".encode(encoding))
    first, long, longer, last = list(sources_from([f"@{file}"]))
    assert (first, last) == ("a.png", "b.png")
    for one in (long, longer):
        assert isinstance(one, Refused)
        assert len(one.name) < 200 and "at most 65536 bytes in a line" in one.reason


def test_list_without_line_ends_is_held_in_part(tmp_path: Path) -> None:
    file = tmp_path / "zeros.bin"
    with file.open("wb") as stream:
        stream.truncate(2**26)
    tracemalloc.start()
    try:
        (refused,) = sources_from([f"@{file}"])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(refused, Refused)
    assert peak < 2**22


@pytest.mark.parametrize("name", ["a\0.png", "a\0*.png", "\0/*.png", "*/\0", "", "*" * 5000])
def test_names_that_are_no_paths_are_handed_on(name: str) -> None:
    assert list(sources_from([name])) == [name]


def test_files_left_out_by_their_names_are_counted(folder: Path) -> None:
    left_out = LeftOut()
    got = list(sources_from([str(folder), str(folder / "scan.dat")], left_out))
    assert len(got) == 7
    assert left_out == LeftOut(2, str(folder / "notes.txt"))
    list(sources_from([str(folder / "*.dat")], left_out))
    assert left_out.count == 3


def test_folders_within_folders_deeper_than_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(sys.getrecursionlimit() + 100):
        os.mkdir("d")
        os.chdir("d")
    Path("a.png").touch()
    monkeypatch.chdir(tmp_path)
    (found,) = find_images(["d"])
    assert found.endswith("/d/a.png")
    shutil.rmtree(tmp_path / "d") if sys.version_info >= (3, 13) else os.system("rm -r d")
