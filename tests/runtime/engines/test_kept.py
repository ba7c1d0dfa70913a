"""Records in a file: the newest first, whatever the file holds before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from runtime.engines.kept import Records
from runtime.fields import Field, check_fields, text, whole


@dataclass(frozen=True)
class Note:
    about: str
    value: int
    fields: ClassVar[Mapping[str, Field]] = {"about": text(shortest=1), "value": whole(0, 9)}

    def __post_init__(self) -> None:
        check_fields(vars(self), self.fields, "impossible note", "write it again")

    @property
    def place(self) -> tuple[str, ...]:
        return (self.about,)


@pytest.fixture
def notes(tmp_path: Path) -> Records[Note]:
    return Records(tmp_path / "folder" / "notes.json", Note, "notes")


def test_what_is_kept_comes_back_newest_first(notes: Records[Note]) -> None:
    assert list(notes) == []
    notes.keep(Note("a", 1))
    notes.keep(Note("b", 2), Note("c", 3))
    notes.keep(Note("a", 4))
    assert list(notes) == [Note("a", 4), Note("b", 2), Note("c", 3)]


def test_a_place_may_be_forgotten(notes: Records[Note]) -> None:
    notes.keep(Note("a", 1), Note("b", 2))
    notes.replace((Note("c", 3),), {("a",), ("c",)})
    assert list(notes) == [Note("c", 3), Note("b", 2)]


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"notes": [{"about": "", "value": 1}]}', b"[" * 100_000, b"\xff"]
)
def test_what_cannot_be_read_is_said_and_replaced(
    notes: Records[Note], content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    notes.path.parent.mkdir()
    notes.path.write_bytes(content)
    assert list(notes) == []
    assert "cannot be read and is left out" in caplog.text
    notes.keep(Note("a", 1))
    assert list(notes) == [Note("a", 1)]
