"""A wheel is left with the code of one GPU; everything else in it stays as it was."""

from __future__ import annotations

import base64
import hashlib
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmarks.gpu.pruned_wheel import divided, entries_of, main, pruned
from runtime.errors import ArtifactError

RNG = np.random.default_rng(0)


def fat_binary(*architectures: int) -> bytes:
    """Code of 1000 bytes for each architecture."""
    entries = b""
    for architecture in architectures:
        header = struct.pack("<HHIQ", 2, 0x101, 64, 1000).ljust(28, b"\1")
        entries += (header + struct.pack("<I", architecture)).ljust(64, b"\2") + RNG.bytes(1000)
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(entries)) + entries


def library() -> bytes:
    """Two fat binaries among other bytes, one of which looks like the beginning of a third."""
    stray = struct.pack("<IHHQ", 0xBA55ED50, 1, 16, 2**40)
    return b"\x7fELF" + stray + fat_binary(80, 86, 90) + b"data" + fat_binary(75, 90) + b"tail"


def codes(data: bytes) -> list[tuple[int, bool]]:
    """Architecture, and whether there is any code for it."""
    return [(entry.architecture, any(data[entry.start : entry.end])) for entry in entries_of(data)]


def test_the_code_of_one_gpu_is_left() -> None:
    data = library()
    kept = pruned(data, (9, 0))
    assert len(kept) == len(data)
    assert codes(kept) == [(80, False), (86, False), (90, True), (75, False), (90, True)]
    for before, after in zip(entries_of(data), entries_of(kept), strict=True):
        if after.architecture == 90:
            assert data[before.start : before.end] == kept[after.start : after.end]
    # An 8.9 runs what was compiled for an 8.6.
    assert [architecture for architecture, is_there in codes(pruned(data, (8, 9))) if is_there] == [
        86
    ]
    assert pruned(b"no code in here", (9, 0)) == b"no code in here"


def test_no_code_for_a_gpu_is_an_error() -> None:
    with pytest.raises(ArtifactError, match=r"no code for compute capability 12.0: got 7.5, 8.0"):
        pruned(library(), (12, 0))


def test_a_length_beyond_the_end_is_an_error() -> None:
    data = bytearray(fat_binary(90))
    struct.pack_into("<Q", data, 16 + 8, 5000)
    with pytest.raises(ArtifactError, match="unknown kind of GPU code"):
        pruned(bytes(data), (9, 0))


def test_a_wheel_is_written_in_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel = tmp_path / "thing-1.0-py3-none-any.whl"
    noise = RNG.bytes(3 * 2**20)
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("thing/lib.so.1", library())
        file.writestr("thing/noise.bin", noise)
        file.writestr(
            "thing-1.0.dist-info/RECORD",
            "thing/lib.so.1,sha256=old,7\nthing/noise.bin,sha256=same,8\n"
            "thing-1.0.dist-info/RECORD,,\n",
        )
    arguments = [str(wheel), "--compute-capability", "9.0", "--output", str(tmp_path / "out")]
    assert main([*arguments, "--part-mib", "2"]) == 0
    parts = sorted((tmp_path / "out").iterdir())
    assert [part.name for part in parts] == [f"{wheel.name}.part00", f"{wheel.name}.part01"]
    assert f"cat {wheel.name}.part* > {wheel.name}; pip install" in capsys.readouterr().out
    joined = tmp_path / "joined.whl"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    with zipfile.ZipFile(joined) as file:
        kept = file.read("thing/lib.so.1")
        assert kept == pruned(library_in(wheel), (9, 0)) and file.read("thing/noise.bin") == noise
        record = file.read("thing-1.0.dist-info/RECORD").decode().splitlines()
    digest = base64.urlsafe_b64encode(hashlib.sha256(kept).digest()).decode().rstrip("=")
    assert record == [
        f"thing/lib.so.1,sha256={digest},{len(kept)}",
        "thing/noise.bin,sha256=same,8",
        "thing-1.0.dist-info/RECORD,,",
    ]
    assert main([*arguments[:2], "12.0", *arguments[3:]]) == 2
    assert "no code for compute capability 12.0" in capsys.readouterr().err


def library_in(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as file:
        return file.read("thing/lib.so.1")


def test_what_is_small_stays_whole(tmp_path: Path) -> None:
    path = tmp_path / "small"
    path.write_bytes(b"1234")
    assert divided(path, 4) == [path]
    assert [part.read_bytes() for part in divided(path, 3)] == [b"123", b"4"]
    assert not path.exists()
