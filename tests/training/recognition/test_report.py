"""What a data set holds: kept, dropped and why, characters without a class or never seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from runtime.errors import DatasetError
from runtime.images.read import read_image
from runtime.recognition.charset import Charset, build_charset
from runtime.recognition.spec import WidthPolicy
from training.data import inspection
from training.data.label_file import SimpleDataSet
from training.recognition import report as report_module
from training.recognition.report import DataReport, inspect_source
from training.recognition.transforms import CTCLabelEncode

CHARSET = Charset(tuple("abcxyz"))
POLICY = WidthPolicy(32, 32, 320)


@pytest.fixture
def inspect(
    tmp_path: Path,
    make_line: Callable[..., NDArray[np.uint8]],
    encode: Callable[[NDArray[np.uint8]], bytes],
) -> Callable[[str], DataReport]:
    """Inspects a label file of this content; `60.png` to `69.png` are so many px wide."""
    for width in range(60, 70):
        (tmp_path / f"{width}.png").write_bytes(encode(make_line(width, 20)))
    (tmp_path / "broken.png").write_text("not an image")

    def report(content: str) -> DataReport:
        file = tmp_path / "labels.txt"
        file.write_text(content, encoding="utf-8")
        source = SimpleDataSet(str(tmp_path), [str(file)])
        label = CTCLabelEncode(CHARSET, 4)
        return inspect_source(source, "Train", CHARSET, label, 32, POLICY, source.malformed)

    return report


def test_counts_and_reasons(inspect: Callable[[str], DataReport]) -> None:
    report = inspect(
        "60.png\tabc\n61.png\ta\n62.png\t\n63.png\tabcab\nbroken.png\tab\nmissing.png\tab\n"
        "no tab\n64.png\taöü\n65.png\tö\n66.png\tcc\n"
    )
    assert report.kept == [0, 1, 8]
    assert report.dropped == {
        "malformed": [-1],
        "empty label": [2],
        "longer than max_text_length": [3],
        "unreadable": [4, 5],
        "unknown characters": [6, 7],
    }
    assert report.unknown == {"ö": 2, "ü": 1}
    assert report.unseen == "xyz"
    assert report.ratios[0] == pytest.approx(60 / 20)
    assert report.lengths == {3: 1, 1: 1, 2: 1}
    assert report.widths == {96: 1, 128: 2}
    assert report.as_json()["dropped"]["unreadable"] == 2
    text = "\n".join(report.lines())
    assert "Train: 3 lines kept, 7 dropped" in text
    assert "1 malformed, e.g." in text and "labels.txt:7" in text
    assert "broken.png" in text and "missing.png" in text
    assert "'ö' in 2, 'ü' in 1" in text and "never seen: 'xyz'" in text
    assert "input width px: 96: 1, 128: 2" in text


def test_a_clean_file_says_little(inspect: Callable[[str], DataReport]) -> None:
    lines = inspect("60.png\tabc\n61.png\txyz\n").lines()
    assert lines[0] == "Train: 2 lines kept, 0 dropped"
    assert not any("never seen" in line or "without a class" in line for line in lines)


def test_many_examples_are_cut(inspect: Callable[[str], DataReport]) -> None:
    content = "60.png\tabc\n" + "".join(f"6{number}.png\tabcd{number}\n" for number in range(9))
    (line,) = [row for row in inspect(content).lines() if "longer" in row]
    assert line.count("'abcd") == 3 and line.startswith("  9 longer")


def test_many_widths_become_ranges(tmp_path: Path) -> None:
    report = DataReport("Eval", kept=[0])
    report.widths.update({32 * step: step for step in range(1, 31)})
    (line,) = [row for row in report.lines() if "width" in row]
    counts = [int(part.rpartition(": ")[2]) for part in line.partition("px: ")[2].split(", ")]
    assert len(counts) == 8 and sum(counts) == sum(range(1, 31))
    assert line.startswith("  input width px: 32-")


def test_no_usable_line_is_an_error_that_says_why(inspect: Callable[[str], DataReport]) -> None:
    with pytest.raises(DatasetError, match=r"2 unknown characters.*(?s:.*)no line can be used"):
        inspect("60.png\tö\n61.png\tö\n")


def test_the_real_packs_are_read(real_lines: Path) -> None:
    folder = real_lines / "sroie_receipts"
    source = SimpleDataSet(str(folder), [str(folder / "val.tsv")])
    characters = sorted(
        {character for index in range(len(source)) for character in source.text(index, 0)}
    )
    charset = Charset(tuple(characters[:-1]))
    report = inspect_source(
        source, "Eval", charset, CTCLabelEncode(charset, 200), 32, WidthPolicy()
    )
    assert set(report.unknown) == {characters[-1]}
    assert len(report.kept) + len(report.dropped["unknown characters"]) == len(source)
    assert sum(report.widths.values()) == len(report.kept) > 500


def test_lines_that_are_usable_by_construction_need_not_all_be_looked_at():
    from training.data.synthetic import SyntheticDataSet

    charset = Charset(tuple("abc"))
    source = SyntheticDataSet(charset.characters, count=50, seed=1)
    encode = CTCLabelEncode(charset, 25)
    report = inspect_source(source, "Train", charset, encode, 32, WidthPolicy(), looked_at=10)
    assert report.kept == list(range(50))
    assert sum(report.lengths.values()) == sum(report.widths.values()) == 10
    assert report.unseen == ""


def cut(folder: Path, names: list[str]) -> None:
    """Leave out the second half of these files."""
    for name in names:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])


TEN = "".join(f"6{number}.png\tabc\n" for number in range(10))


def test_images_cut_in_half_are_found_before_training(
    inspect: Callable[[str], DataReport], tmp_path: Path
) -> None:
    inspect(TEN)
    cut(tmp_path, ["63.png", "67.png"])
    report = inspect(TEN)
    assert report.kept == [0, 1, 2, 4, 5, 6, 8, 9]
    assert report.dropped == {"unreadable": [3, 7]}
    assert report.num_tried == report.num_decoded == 10
    text = "\n".join(report.lines())
    assert "2 unreadable, e.g. " in text and "63.png: the file is cut short" in text
    report.refuse_unreadable(0.2)
    with pytest.raises(DatasetError, match=r"Train: 2 of 10 images could not be read, e\.g\. .*63"):
        report.refuse_unreadable(0.1)


def test_of_a_large_set_an_evenly_spread_part_is_decoded(
    inspect: Callable[[str], DataReport], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_module, "MOST_DECODED", 9)
    monkeypatch.setattr(report_module, "NUM_SPREAD", 4)
    inspect(TEN)
    cut(tmp_path, ["60.png", "69.png"])
    read = []
    monkeypatch.setattr(inspection, "read_image", lambda data: read.append(1) or read_image(data))
    report = inspect(TEN)
    assert report.kept == list(range(1, 9)) and len(read) == 4
    told = "4 of 10 images decoded, evenly spread; of the others the header was read: 2 of 4 images"
    assert told in "\n".join(report.lines())
    report.refuse_unreadable(0.5)
    with pytest.raises(DatasetError, match=r"2 of 4 images .*stand for the rest"):
        report.refuse_unreadable(0.3)


def test_the_hash_is_of_the_lines(inspect: Callable[[str], DataReport], tmp_path: Path) -> None:
    first = inspect(TEN).sha256
    assert first and inspect(TEN).sha256 == first
    assert inspect(TEN.replace("65.png\tabc", "65.png\tabx")).sha256 != first
    assert inspect(TEN.replace("65.png", "64.png")).sha256 != first
    (tmp_path / "65.png").write_bytes((tmp_path / "65.png").read_bytes() + b"more")
    assert inspect(TEN).sha256 != first


def test_labels_are_read_in_lower_case_without_a_dictionary(
    inspect: Callable[[str], DataReport], tmp_path: Path
) -> None:
    inspect(TEN)
    file = tmp_path / "upper.txt"
    file.write_text("60.png\tInv0\n61.png\tTOTAL\n62.png\ta b\n", encoding="utf-8")
    source = SimpleDataSet(str(tmp_path), [str(file)])
    for charset, kept in ((build_charset(None, False), [0, 1]), (CHARSET, [])):
        label = CTCLabelEncode(charset, 25)
        if not kept:
            with pytest.raises(DatasetError, match="no line can be used"):
                inspect_source(source, "Train", charset, label, 32, POLICY)
            continue
        report = inspect_source(source, "Train", charset, label, 32, POLICY)
        assert report.kept == kept and report.unknown == {" ": 1}


def test_labels_of_pages_are_refused(inspect: Callable[[str], DataReport]) -> None:
    with pytest.raises(DatasetError, match=r"those of text detection.*model_type det"):
        inspect('60.png\t[{"transcription": "x", "points": []}]\n')
