"""Keys come from a file of one or two lines, or the environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runtime.errors import OcrError
from runtime.serve.bounds.access import KEY_VARIABLE, api_keys


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("long enough", ("long enough",)),
        ("\ufefflong enough \r\n\n", ("long enough",)),
        ("the newer one\nthe older one\nand a remark", ("the newer one", "the older one")),
    ],
)
def test_a_file_has_one_or_two(text: str, keys: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(text, encoding="utf-8")
    assert api_keys(str(file)) == keys


def test_the_environment_has_one_and_keeps_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "long enough")
    assert api_keys(None) == ("long enough",)
    assert KEY_VARIABLE not in os.environ
    assert api_keys(None) == ()


@pytest.mark.parametrize("text", ["", "short", "long enough\nshort"])
def test_a_short_key_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(OcrError, match="the API key is too short: expected at least 8 characters"):
        api_keys(str(file))
