"""PaddleOCR label files: every form of line, shares of an epoch, what is wrong with a file."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from runtime.errors import DatasetError, ImageError
from runtime.images.read import read_image
from training.data.label_file import SimpleDataSet

WriteLines = Callable[[Mapping[str, str]], Path]


def label_file(folder: Path, content: str | bytes, name: str = "labels.txt") -> str:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(file)


def texts(source: SimpleDataSet) -> list[str]:
    return [source.text(index, 0) for index in range(len(source))]


def test_reads_lines_in_order(write_lines: WriteLines, tmp_path: Path) -> None:
    file = write_lines({"a/1.png": "eins", "a/2.png": "zwei drei", "3.png": "日本語"})
    source = SimpleDataSet(str(tmp_path), [str(file)])
    assert texts(source) == ["eins", "zwei drei", "日本語"]
    sample = source.read(1, 0)
    assert (sample.text, sample.name) == ("zwei drei", str(tmp_path / "a/2.png"))
    assert read_image(sample.image).shape == (24, 50, 3)
    assert source.ratio(1, 0) == pytest.approx(50 / 24)
    assert pickle.loads(pickle.dumps(source)).read(0, 0).image == source.read(0, 0).image


def test_one_file_may_be_given_without_a_list(tmp_path: Path) -> None:
    assert texts(SimpleDataSet(str(tmp_path), label_file(tmp_path, "a.png\tx\n"))) == ["x"]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfa.png\tone\nb.png\ttwo\n",
        b"a.png\tone\r\nb.png\ttwo\r\n",
        b"a.png\tone\n\n\nb.png\ttwo",
        "a.png\tone\r\nb.png\ttwo\r\n".encode("utf-16"),
    ],
    ids=["BOM", "CRLF", "empty lines, no end", "UTF-16"],
)
def test_forms_of_a_text_file(tmp_path: Path, content: bytes) -> None:
    source = SimpleDataSet(str(tmp_path), [label_file(tmp_path, content)])
    assert texts(source) == ["one", "two"]
    assert source.malformed == []


def test_spaces_and_odd_line_ends_belong_to_the_text(tmp_path: Path) -> None:
    source = SimpleDataSet(
        str(tmp_path), [label_file(tmp_path, "a.png\t two \tand \x0b\x85\u2028 x\n")]
    )
    assert texts(source) == [" two \tand \x0b\x85\u2028 x"]


def test_a_line_without_path_or_text_is_reported_with_its_number(tmp_path: Path) -> None:
    file = label_file(tmp_path, "a.png\tone\nb.png two\n\n\tthree\nc.png\tfour\n")
    source = SimpleDataSet(str(tmp_path), [file])
    assert texts(source) == ["one", "four"]
    assert source.malformed == [f"{file}:2", f"{file}:4"]


def test_another_delimiter(tmp_path: Path) -> None:
    source = SimpleDataSet(str(tmp_path), [label_file(tmp_path, "a.png one two\n")], delimiter=" ")
    assert texts(source) == ["one two"]


def test_a_list_of_images_gives_one_of_them_each_epoch(
    write_lines: WriteLines, tmp_path: Path
) -> None:
    write_lines({f"{number}.png": "x" for number in range(3)})
    file = label_file(tmp_path, '["0.png", "1.png", "2.png"]\tsame\n[odd.png\tname\n', "list.txt")
    source = SimpleDataSet(str(tmp_path), [file], seed=3)
    drawn = [Path(source.read(0, epoch).name).name for epoch in range(30)]
    assert set(drawn) == {"0.png", "1.png", "2.png"}
    again = SimpleDataSet(str(tmp_path), [file], seed=3)
    assert drawn == [Path(again.read(0, epoch).name).name for epoch in range(30)]
    for epoch in range(5):  # the planned width is that of the image which is read
        height, width = read_image(source.read(0, epoch).image).shape[:2]
        assert source.ratio(0, epoch) == pytest.approx(width / height)
    with pytest.raises(ImageError, match=r"\[odd.png"):
        source.read(1, 0)


def test_shares_are_drawn_anew_each_epoch_and_by_file(tmp_path: Path) -> None:
    files = [
        label_file(tmp_path, "".join(f"{name}{i}.png\tx\n" for i in range(40)), f"{name}.txt")
        for name in "ab"
    ]
    source = SimpleDataSet(str(tmp_path), files, [0.5, 0.1], seed=1)
    first, second = source.indices(0), source.indices(1)
    for indices in (first, second):
        assert sum(index < 40 for index in indices) == 20
        assert sum(index >= 40 for index in indices) == 4
        assert len(set(indices)) == 24
    assert first != second
    assert SimpleDataSet(str(tmp_path), files, [0.5, 0.1], seed=1).indices(1) == second
    assert SimpleDataSet(str(tmp_path), files, [0.5, 0.1], seed=2).indices(1) != second
    assert list(SimpleDataSet(str(tmp_path), files).indices(0)) == list(range(80))
    doubled = SimpleDataSet(str(tmp_path), files, 2.0).indices(0)
    assert len(doubled) == 160 and set(doubled) <= set(range(80))


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    good = label_file(tmp_path, "a.png\tone\n")
    with pytest.raises(DatasetError, match=r"missing\.txt"):
        SimpleDataSet(str(tmp_path), [good, str(tmp_path / "missing.txt")])
    with pytest.raises(DatasetError, match="latin"):
        SimpleDataSet(str(tmp_path), [label_file(tmp_path, "a\tü\n".encode("latin1"), "latin.txt")])
    with pytest.raises(DatasetError, match=r"expected 1 shares.*got 2"):
        SimpleDataSet(str(tmp_path), [good], [0.5, 0.5])
    with pytest.raises(DatasetError, match="delimiter"):
        SimpleDataSet(str(tmp_path), [label_file(tmp_path, "a.png one\n", "bad.txt")])


def test_names_are_found_as_they_were_written_on_windows(
    write_lines: WriteLines, tmp_path: Path
) -> None:
    write_lines({"a/1.png": "x"})
    source = SimpleDataSet(str(tmp_path), [label_file(tmp_path, "a\\1.png\tx\n", "list.txt")])
    assert source.read(0, 0).name == str(tmp_path / "a" / "1.png")
    assert source.ratio(0, 0) > 0


def test_where_a_missing_image_may_be_is_told(write_lines: WriteLines, tmp_path: Path) -> None:
    file = write_lines({"1.png": "x"})
    source = SimpleDataSet(str(tmp_path / "elsewhere"), [str(file)])
    for call in (source.read, source.ratio):
        with pytest.raises(ImageError, match=f"set data_dir to {file.parent}"):
            call(0, 0)


def test_a_page_of_a_file_is_told_from_a_missing_image(tmp_path: Path) -> None:
    source = SimpleDataSet(str(tmp_path), [label_file(tmp_path, "a.pdf#page=2\tx\n")])
    for call in (source.read, source.ratio):
        with pytest.raises(ImageError, match="a page of a file, not a picture: save its pages"):
            call(0, 0)


def test_text_with_tabs_is_noted(tmp_path: Path) -> None:
    source = SimpleDataSet(str(tmp_path), [label_file(tmp_path, "a.png\tx\nb.png\ty\tz\n")])
    (note,) = source.notes
    assert note.startswith("1 lines of") and "line 2" in note


def test_an_image_that_is_missing_or_none(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("not an image")
    file = label_file(tmp_path, "missing.png\tone\ntext.png\ttwo\n")
    source = SimpleDataSet(str(tmp_path), [file])
    for call in (source.read, source.ratio):
        with pytest.raises(ImageError, match=r"missing\.png"):
            call(0, 0)
    with pytest.raises(ImageError, match=r"text\.png"):
        source.ratio(1, 0)


@pytest.mark.parametrize(
    "pack",
    [
        "art_catalogues_de_fr",
        "commentaries_en_de",
        "ehri_typewritten",
        "ic15_words",
        "sroie_receipts",
    ],
)
def test_real_packs(real_lines: Path, pack: str) -> None:
    folder = real_lines / pack
    source = SimpleDataSet(str(folder), [str(folder / "val.tsv")])
    assert len(source) >= 100 and source.malformed == []
    for index in range(0, len(source), 20):
        sample = source.read(index, 0)
        height, width = read_image(sample.image).shape[:2]
        assert sample.text.strip()
        assert source.ratio(index, 0) == pytest.approx(width / height)
