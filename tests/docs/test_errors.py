"""The table of messages is made from the errors in the code, and holds what they say."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def errors() -> ModuleType:
    spec = importlib.util.spec_from_file_location("errors", ROOT / "docs" / "tools" / "errors.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "module.py"
    file.write_text(text)
    return file


SOURCE = """
def check(path, size):
    if size < 3:
        raise ArtifactError(
            f"{path} is too short: expected at least {LEAST} bytes, got {len(size)}; "
            "copy it again"
        )
    reason = f"{size} is not {self.wanted}: expected that one"
    if size > 5:
        raise EngineError(reason)
    parser.error("no image was given: name one")
    problems.add(path, "expected a mapping, got a list")
    problems.add(path, "of no error")
    found.append(size)
    raise ValueError("a defect, no error of a user's")
    raise ImageError(str(error))
"""


def test_errors_of_every_kind_are_found_and_parted(errors: ModuleType, tmp_path: Path) -> None:
    found = [tuple(message[:3]) for message in errors.messages([written(tmp_path, SOURCE)])]
    assert found == [
        ("<size> is not <wanted>", "expected that one", ""),
        ("<path> is too short", "expected at least <least> bytes, got <…>", "copy it again"),
        ("expected a mapping, got a list", "", ""),
        ("no image was given: name one", "", ""),
    ]


def test_every_wing_has_its_chapters(errors: ModuleType) -> None:
    assert {wing for wing, _ in errors.CHAPTERS.values()} == {
        *("runtime", "training", "export", "distilrec")
    }
    counts = {heading: len(errors.chapter(heading)) for heading in errors.CHAPTERS}
    assert sum(counts.values()) > 600
    files = [message.file for heading in errors.CHAPTERS for message in errors.chapter(heading)]
    assert {file.relative_to(ROOT).parts[0] for file in files} >= {"runtime", "training", "export"}


def test_a_table_is_markdown_whatever_a_message_holds(errors: ModuleType) -> None:
    for heading in errors.CHAPTERS:
        _, _, head, line, *rows = errors.table(heading).splitlines()
        assert head.count("|") == line.count("|") == 4 and rows
        for row in rows:
            assert row.replace("\\\\|", "").count("|") == 4, row
            assert "<" not in row and "$" not in row


def test_messages_that_a_user_meets_are_there(errors: ModuleType) -> None:
    whole = "\n".join(map(errors.table, errors.CHAPTERS))
    for said in ("no image was given", "expected the API key", "the API key is too short"):
        assert said in whole
