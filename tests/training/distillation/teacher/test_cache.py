"""What teachers read is kept: bounded, by many processes, whatever becomes of the file."""

from __future__ import annotations

import logging
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from training.distillation.teacher.cache import FILE_NAME, ReadingCache

MIB = 2**20
ROOT = Path(__file__).resolve().parents[4]


class Clock:
    """A time that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_what_was_put_is_found_again_by_another_that_opens_it(tmp_path: Path) -> None:
    cache = ReadingCache(tmp_path / "made" / "here", MIB)
    assert cache.get(key(1)) is None
    cache.put(key(1), b"one")
    cache.put(key(2), b"")
    cache.put(key(1), b"one again")
    assert cache.get(key(1)) == b"one again"
    other = ReadingCache(tmp_path / "made" / "here", MIB)
    assert (other.get(key(1)), other.get(key(2)), other.get(key(3))) == (b"one again", b"", None)


def test_nothing_is_kept_where_nothing_may_be(tmp_path: Path) -> None:
    cache = ReadingCache(tmp_path, 0)
    cache.put(key(1), b"one")
    assert cache.get(key(1)) is None
    assert list(tmp_path.iterdir()) == []


def test_what_was_not_used_for_longest_leaves(tmp_path: Path) -> None:
    clock = Clock()
    cache = ReadingCache(tmp_path, MIB, clock)
    value = os.urandom(20_000)
    for number in range(30):
        clock.now += 1
        cache.put(key(number), value)
    clock.now += 1000
    assert cache.get(key(0)) == value  # used again, so not the oldest any more
    for number in range(30, 60):
        clock.now += 1
        cache.put(key(number), value)
    cache.close()
    size = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert size < 1.3 * MIB
    left = [number for number in range(60) if cache.get(key(number)) is not None]
    assert 0 in left and 1 not in left and 59 in left
    assert left[1:] == list(range(left[1], 60))


def test_a_lower_bound_holds_from_the_start(tmp_path: Path) -> None:
    cache = ReadingCache(tmp_path, 4 * MIB)
    for number in range(100):
        cache.put(key(number), os.urandom(20_000))
    cache.close()
    lower = ReadingCache(tmp_path, MIB)
    found = [number for number in range(100) if lower.get(key(number)) is not None]
    lower.close()
    assert 0 < len(found) < 50
    assert (tmp_path / FILE_NAME).stat().st_size <= 1.1 * MIB


def test_a_value_too_large_is_not_kept(tmp_path: Path) -> None:
    cache = ReadingCache(tmp_path, MIB)
    cache.put(key(1), bytes(MIB))
    assert cache.get(key(1)) is None


@pytest.mark.parametrize(
    "content",
    [b"no database at all" * 1000, b"SQLite format 3\0" + bytes(5000), b""],
    ids=["another kind", "damaged", "empty"],
)
def test_a_damaged_file_is_put_aside_and_made_anew(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    cache = ReadingCache(tmp_path, MIB)
    assert cache.get(key(1)) is None
    cache.put(key(1), b"one")
    assert cache.get(key(1)) == b"one"
    aside = (tmp_path / FILE_NAME).with_suffix(".damaged")
    assert aside.exists() == bool(content)
    if content:
        assert aside.read_bytes() == content
        assert "is damaged" in caplog.text and "kept anew" in caplog.text


def test_damage_that_shows_later_is_no_crash(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = ReadingCache(tmp_path, 8 * MIB)
    for number in range(200):
        cache.put(key(number), os.urandom(5_000))
    cache.close()
    file = tmp_path / FILE_NAME
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + os.urandom(len(whole) - 4096))
    cache = ReadingCache(tmp_path, 8 * MIB)
    for number in range(200):
        assert cache.get(key(number)) is None
    cache.put(key(1), b"one")
    assert cache.get(key(1)) == b"one"
    assert "is damaged" in caplog.text


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    cache = ReadingCache(tmp_path, MIB)
    cache.put(key(1), b"a value that stands out")
    cache.close()
    file = tmp_path / FILE_NAME
    content = file.read_bytes()
    place = content.index(b"a value that stands out")
    file.write_bytes(content[:place] + b"A" + content[place + 1 :])
    assert ReadingCache(tmp_path, MIB).get(key(1)) is None


def test_a_database_of_another_program_is_put_aside(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("CREATE TABLE others (name TEXT)")
    connection.close()
    cache = ReadingCache(tmp_path, MIB)
    cache.put(key(1), b"one")
    assert cache.get(key(1)) == b"one"
    assert (tmp_path / FILE_NAME).with_suffix(".damaged").exists()


def test_a_place_that_cannot_be_written_to_costs_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "file"
    place.write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        cache = ReadingCache(place, MIB)
        cache.put(key(1), b"one")
        assert cache.get(key(1)) is None
    assert len(caplog.records) == 1
    assert "cannot be used" in caplog.text and "cache_dir" in caplog.text


WRITER = """
import os, sys
from pathlib import Path
from training.distillation.teacher.cache import ReadingCache
cache = ReadingCache(Path(sys.argv[1]), 2**22)
first = int(sys.argv[2])
print("begun", flush=True)
for number in range(first, first + int(sys.argv[3])):
    cache.put(number.to_bytes(32, "big"), bytes([number % 256]) * 30_000)
"""


def writer(folder: Path, first: int, count: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WRITER, str(folder), str(first), str(count)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    writers = [writer(tmp_path, first, 20) for first in (0, 100, 200)]
    assert [process.wait(60) for process in writers] == [0, 0, 0]
    cache = ReadingCache(tmp_path, 4 * MIB)
    for first in (0, 100, 200):
        for number in range(first, first + 20):
            assert cache.get(key(number)) == bytes([number % 256]) * 30_000


def test_a_killed_writer_leaves_whole_values(tmp_path: Path) -> None:
    for round_ in range(3):
        process = writer(tmp_path, 1000 * round_, 100_000)
        assert process.stdout is not None and process.stdout.readline()
        time.sleep(0.1 + 0.05 * round_)
        process.kill()
        process.wait()
        cache = ReadingCache(tmp_path, 4 * MIB)
        found = {
            number: value
            for number in range(1000 * round_, 1000 * round_ + 100)
            if (value := cache.get(key(number))) is not None
        }
        cache.close()
        assert all(value == bytes([number % 256]) * 30_000 for number, value in found.items())
    assert not (tmp_path / FILE_NAME).with_suffix(".damaged").exists()
