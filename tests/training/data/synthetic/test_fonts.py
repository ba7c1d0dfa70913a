"""Which fonts are used for which characters."""

import re
from pathlib import Path

import numpy as np
import pytest

from runtime.errors import DatasetError
from training.data.synthetic.fonts import (
    Face,
    FontBook,
    build_font_book,
    find_font_files,
    needs_shaping,
)


def test_found_files_are_text_fonts_in_a_stable_order() -> None:
    files = find_font_files()
    names = [path.name for path in files]
    assert names == sorted(set(names))
    assert files
    assert not any(re.search("emoji|LastResort|cmsy", name) for name in names)


def test_every_face_draws_what_it_claims() -> None:
    book = build_font_book("aZ5ß@ \t")
    for face in book.faces:
        assert face.characters <= set("aZ5ß@ ")
        assert face.characters & set("aZ5ß@")
    assert frozenset().union(*(face.characters for face in book.faces)) == set("aZ5ß@ ")


def test_tex_fonts_are_trusted_for_their_ascii_letters_only() -> None:
    # Knuth's fonts have an inverted exclamation mark in the place of the less-than sign.
    book = build_font_book('ab<"')
    tex = [face for face in book.faces if Path(face.path).name.startswith("cm")]
    for face in tex:
        assert face.characters == set("ab")


def test_missing_characters_are_named() -> None:
    # A private-use and an unassigned code point.
    with pytest.raises(DatasetError, match=r"U\+F123\), .*U\+E0FFF"):
        build_font_book(["a", "\uf123", "\U000e0fff"], files=[find_font_files()[0]])


def test_listed_file_that_is_no_font_is_an_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"\0\1\0\0 no font at all")
    with pytest.raises(DatasetError, match=r"cannot read the font .*broken\.ttf"):
        build_font_book("a", files=[broken])
    with pytest.raises(DatasetError, match=r"cannot read the font .*absent\.ttf"):
        build_font_book("a", files=[tmp_path / "absent.ttf"])


def test_families_are_equally_likely() -> None:
    many = [Face(f"{i}.ttf", 0, "many", frozenset("ab")) for i in range(9)]
    book = FontBook([*many, Face("one.ttf", 0, "one", frozenset("a"))])
    rng = np.random.default_rng(0)
    chosen = [book.choose("a", rng) for _ in range(600)]
    assert 240 < sum(face is not None and face.family == "one" for face in chosen) < 360
    assert all(face is not None and face.family == "many" for face in [book.choose("ab", rng)])
    assert book.choose("abc", rng) is None
    assert not book.can_draw("abc")
    assert book.choose_best("bc", "a", rng).family == "many"


def test_scripts_that_join_or_stack_are_shaped() -> None:
    assert not any(map(needs_shaping, "aß9Ж世あ한"))
    assert all(map(needs_shaping, ["\u05d0", "\u0628", "\u0915", "\u0e01", "\u0301"]))
