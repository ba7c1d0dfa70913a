"""A terminal sees one line; anything else sees nothing."""

from __future__ import annotations

import io

import pytest

from runtime.infer import progress
from runtime.infer.progress import Progress


def test_the_line_is_written_over_and_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_UPDATES", 0.0)
    stream = io.StringIO()
    with Progress(stream) as shown:
        for _ in range(3):
            shown.count()
        assert "\r\x1b[K3 images, " in stream.getvalue() and "\n" not in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_without_a_terminal_it_only_counts() -> None:
    with Progress(None) as silent:
        silent.count()
    assert silent.num_images == 1 and silent.seconds >= 0
