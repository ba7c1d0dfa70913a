"""The commands on label files: what they print, write, refuse and return."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

from runtime.recognition.labels import read_labels
from training.data import check, dictionary, split, to_lmdb
from training.data.labels.checking import report_on
from training.data.labels.command import LabelledFile
from training.data.lmdb_file import LMDBDataSet

WriteLines = Callable[[Mapping[str, str]], Path]
Capture = pytest.CaptureFixture[str]


def test_check_says_what_cannot_be_used_and_what_is_odd(
    write_lines: WriteLines, tmp_path: Path, capsys: Capture
) -> None:
    file = write_lines({"a.png": "plain", "b.png": " e\u0301", "c.png": "", "d.png": "zz"})
    with file.open("a", encoding="utf-8") as labels:
        labels.write('a.png\tother\nno tab\ngone.png\tx\ne.png\t[{"transcription": ""}]\n')
    cv2.imwrite(str(tmp_path / "e.png"), np.zeros((90, 20, 3), np.uint8))
    known = tmp_path / "dict.txt"
    known.write_text("\n".join("plainotherx\u0301"), encoding="utf-8")
    assert check.main([str(file), "--dictionary", str(known)]) == 1
    out = capsys.readouterr().out
    assert out.startswith("8 lines, 5 of them cannot be used\n")
    for expected in (
        "1 without a path, a tab and a text",
        "1 without a text",
        "1 with the boxes of a page",
        f"1 with characters outside the dictionary, e.g. {file}:4 'z'",
        "1 whose image cannot be read",
        "look at 1 with blanks at an end of the text",
        "look at 1 with accents as characters of their own (not NFC)",
        "look at 1 with two texts for one image",
        "look at 1 higher than wide: lines lie",
    ):
        assert f"  {expected}" in out


def test_check_of_good_lines_ends_with_0_and_json(write_lines: WriteLines, capsys: Capture) -> None:
    file = write_lines({"a.png": "ab", "b.png": "b"})
    assert check.main([str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "lines": 2,
        "unusable": {},
        "odd": {},
        "characters": {"b": 2, "a": 1},
    }


def test_the_same_image_twice_is_found(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((20, 60, 3), np.uint8))
    (tmp_path / "l.txt").write_text("a.png\tx\nb.png\ty\n")
    labels = read_labels(tmp_path / "l.txt")
    file = LabelledFile(tmp_path / "l.txt", tmp_path, labels.rows, labels.malformed)
    assert report_on([file]).counts == {"whose image is there twice": 1}


@pytest.mark.parametrize("command", [check, split, dictionary, to_lmdb])
def test_a_file_without_lines_is_refused_alike(
    command: object, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "labels.txt").write_text("a.png,1\n")
    more = [] if command is check else ["--output", str(tmp_path / "out")]
    assert command.main([str(tmp_path / "labels.txt"), *more]) == 2  # type: ignore[attr-defined]
    said = capsys.readouterr().err
    assert "expected path, tab and text on each line, got 1 others" in said
    assert said.count("\n") == 1 and not (tmp_path / "out").exists()


def test_split_keeps_groups_together_and_stays_as_lines_come(
    write_lines: WriteLines, tmp_path: Path, capsys: Capture
) -> None:
    names = [f"images/page{page}_{line}.png" for page in range(12) for line in range(2)]
    file = write_lines({name: name for name in names})

    def parts(count: int, output: str) -> dict[str, list[str]]:
        text = file.read_text("utf-8").splitlines(keepends=True)[:count]
        some = tmp_path / f"{output}.txt"
        some.write_text("".join(text), "utf-8")
        asked = [str(some), "--output", str(tmp_path / output), "--val", "0.3"]
        assert split.main([*asked, "--group", r"(page\d+)_"]) == 0
        return {
            part: [row.text for row in read_labels(tmp_path / output / f"{part}.txt").rows]
            for part in ("train", "val")
        }

    fewer, all_lines = parts(16, "few"), parts(24, "all")
    assert sorted(all_lines["train"] + all_lines["val"]) == sorted(names)
    pages = [{name.split("_")[0] for name in lines} for lines in all_lines.values()]
    assert pages[0] and pages[1] and not pages[0] & pages[1]
    assert set(fewer["val"]) <= set(all_lines["val"])
    # Names are right from where the new files are.
    row = read_labels(tmp_path / "all" / "val.txt").rows[0]
    assert Path(row.names[0]).is_absolute() and Path(row.names[0]).is_file()
    assert split.main([str(file), "--output", str(tmp_path / "all")]) == 2
    assert "give --force" in capsys.readouterr().err


def test_a_dictionary_of_labels_begins_with_another(
    write_lines: WriteLines, tmp_path: Path, capsys: Capture
) -> None:
    file = write_lines({"a.png": "b c", "b.png": "ü\u200ba"})
    first = tmp_path / "first.txt"
    first.write_text("z\na\n", "utf-8")
    output = tmp_path / "dict.txt"
    assert dictionary.main([str(file), "--output", str(output), "--add", str(first)]) == 0
    assert output.read_text("utf-8").splitlines() == ["z", "a", "b", "c", "ü"]
    out = capsys.readouterr().out
    assert "3 of them new" in out and "U+200B" in out and "use_space_char" in out
    assert dictionary.main([str(file), "--output", str(output)]) == 2


def test_an_lmdb_holds_what_the_label_file_names(
    write_lines: WriteLines, tmp_path: Path, capsys: Capture
) -> None:
    file = write_lines({"a.png": "eins", "b.png": "zwei"})
    with file.open("a") as labels:
        labels.write("gone.png\tdrei\n")
    output = tmp_path / "lmdb"
    assert to_lmdb.main([str(file), "--output", str(output)]) == 1
    assert "gone.png" in capsys.readouterr().err
    lines = LMDBDataSet(str(output))
    assert [lines.text(index, 0) for index in range(len(lines))] == ["eins", "zwei"]
    assert lines.read(1, 0).image == (tmp_path / "b.png").read_bytes()
    assert to_lmdb.main([str(file), "--output", str(output)]) == 2
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
