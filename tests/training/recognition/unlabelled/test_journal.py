"""The journal of a labelling: whole lines, of the same settings, whose files are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from training.recognition.unlabelled.journal import Journal


def record(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "identity": [3, 5], "lines": [], **more}


def opened(path: Path, settings: str = "x", invalid: str = "") -> Journal:
    return Journal(path, settings, lambda found: found["name"] != invalid)


def test_what_was_added_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "j"
    with opened(path) as journal:
        place = journal.add(record("a\udcff", error=None))
        assert journal.place_of("a\udcff", (3, 5)) is None  # it is a matter of the next run
        assert journal.read(place)["name"] == "a\udcff"
    with opened(path) as journal:
        assert journal.place_of("a\udcff", (3, 5)) == place
        assert journal.place_of("a\udcff", (3, 6)) is None
        assert journal.place_of("b", (3, 5)) is None


def test_a_line_that_was_cut_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "j"
    with opened(path) as journal:
        journal.add(record("a"))
        journal.add(record("b"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-4])
    with opened(path) as journal:
        assert journal.place_of("a", (3, 5)) is not None and journal.place_of("b", (3, 5)) is None
        journal.add(record("b"))
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff\n", b"[1]\n", b'{"settings": "y"}\n', b"{" * 99]
)
def test_another_journal_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "j"
    path.write_bytes(content)
    with opened(path) as journal:
        assert journal.place_of("a", (3, 5)) is None
        journal.add(record("a"))
    with opened(path) as journal:
        assert journal.place_of("a", (3, 5)) is not None


def test_records_that_do_not_count_any_more_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "j"
    with opened(path) as journal:
        journal.add(record("a"))
        journal.add({"name": "b", "identity": 4, "lines": []})
        journal.add(record("c"))
    with opened(path, invalid="a") as journal:
        found = [journal.place_of(name, (3, 5)) is not None for name in "abc"]
    assert found == [False, False, True]
