"""A file that is written tells which file it was made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.infer.pages.names import Names


@pytest.mark.parametrize(
    ("given", "file", "stem"),
    [
        (["in"], "in/a.pdf", "a"),
        (["in/"], "in/x/y/a.b.pdf", "x/y/a.b"),
        (["in", "other"], "in/x/a.pdf", "in/x/a"),
        (["in", "in/x"], "in/x/a.pdf", "x/a"),
        (["in", "a.pdf"], "a.pdf", "a"),
        (["in/x/a.pdf"], "in/x/a.pdf", "a"),
        (["."], "./x/a.pdf", "x/a"),
        ([".", "in"], "./x/a.pdf", "x/a"),
        (["in"], "in/../../a.pdf", "a"),
        (["s3://bucket/in"], "s3://bucket/in/x/a.pdf", "x/a"),
        ([], "page", "page"),
        ([], "", "page"),
        ([], ".hidden", ".hidden"),
    ],
)
def test_places_are_those_below_the_folder_that_was_named(
    given: list[str], file: str, stem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("in/x", "other"):
        (tmp_path / folder).mkdir(parents=True)
    assert Names(Path("out"), given).stem_of(file) == stem


def test_a_name_that_is_taken_gets_a_number_for_all_its_files() -> None:
    names = Names(Path("out"), [])
    assert names.free("a", [".txt"]) == "a"
    assert names.free("A", [".txt", ".pdf"]) == "A-2"
    assert names.free("a", [".xml"]) == "a"
    assert names.path("x/a", ".txt") == Path("out/x/a.txt")
