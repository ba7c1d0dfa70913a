"""Documents get their names once all their pages are read, and not before."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from runtime.errors import ArtifactError
from runtime.infer.pages.documents import Documents
from tests.runtime.infer.pages.reading import bars
from tests.runtime.pages.some_page import FAILED, PAGE

MOST = 2**24


def documents(folder: Path, kind: str | None = None, formats: str = "") -> Documents:
    return Documents(
        Namespace(
            document=None if kind is None else str(folder / f"all.{kind}"),
            document_kind=kind,
            output_dir=str(folder / "each") if formats else None,
            output_formats=formats.split(","),
        ),
        MOST,
    )


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("kind", ["pdf", "hocr", "alto"])
def test_what_is_not_read_to_its_end_leaves_what_stood_there(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / f"all.{kind}").write_text("old")
    with documents(tmp_path, kind) as written:
        written.take(bars(1), PAGE)
        written.close(is_complete=False)
    assert files_in(tmp_path) == [f"all.{kind}"]
    assert (tmp_path / f"all.{kind}").read_text() == "old"
    assert "is not written: not all pages are read" in capsys.readouterr().err


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError), documents(tmp_path, "alto", "pdf,txt") as written:
        written.take(bars(1), PAGE)
        raise KeyError
    assert files_in(tmp_path) == []


def test_files_that_are_read_to_their_end_are_written_before_the_run_ends(tmp_path: Path) -> None:
    with documents(tmp_path, None, "txt,pdf,paddleocr") as written:
        written.take("a.png", FAILED)
        written.take("b.png", FAILED)
        named = [path.name for path in (tmp_path / "each").glob("[!.]*")]
        assert sorted(named) == ["a.txt", "a_res.json", "b_res.json"]
        written.close(is_complete=True)
    assert files_in(tmp_path) == [
        *("each/a.txt", "each/a_res.json", "each/b.txt", "each/b_res.json"),
    ]
    assert written.num_failed == 0


def test_a_name_that_was_taken_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with documents(tmp_path, None, "txt,paddleocr") as written:
        for source in ("x/a.png", "y/a.png"):
            written.take(source, FAILED)
        written.close(is_complete=True)
    names = ("a-2.txt", "a-2_res.json", "a.txt", "a_res.json")
    assert files_in(tmp_path) == [f"each/{name}" for name in names]
    assert "infer: y/a.png is written as a-2: another" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "each").write_text("a file")
    with documents(tmp_path, None, "txt") as written, pytest.raises(ArtifactError, match="each"):
        written.take("a.png", FAILED)
