"""A terminal sees one line; anything else sees nothing."""

from __future__ import annotations

import io
import threading

import pytest

from runtime.infer import progress
from runtime.infer.progress import Progress, counted_aside


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


@pytest.mark.parametrize(
    ("total", "seconds", "left"),
    [
        (12, 10.0, ", 0:30 left of 12"),
        (3 * 3600 // 10, 30.0, ", 2:59:30 left of 1080"),
        (None, 10.0, ""),
        (3, 10.0, ""),  # all of them
        (12, 1.0, ""),  # too early to know
    ],
)
def test_the_time_left_is_told_where_it_is_known(
    monkeypatch: pytest.MonkeyPatch, total: int | None, seconds: float, left: str
) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_UPDATES", 0.0)
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    stream = io.StringIO()
    with Progress(stream, total=lambda: total) as shown:
        now += seconds
        for _ in range(3):
            shown.count()
        line = stream.getvalue().rpartition("\x1b[K")[2]
    assert line.endswith(f"images/s{left}")


@pytest.mark.parametrize(
    ("names", "number"), [(("a.png", "b.jpg"), 2), (("a.png", "b.PDF"), None), ((), 0)]
)
def test_files_are_counted_aside(names: tuple[str, ...], number: int | None) -> None:
    total = counted_aside(names)
    for thread in threading.enumerate():
        if thread.name == "counting":
            thread.join(10)
    assert total() == number
