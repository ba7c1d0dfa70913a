"""Make a wheel with GPU code small enough to be carried, by leaving code for other GPUs out.

    python -m benchmarks.gpu.pruned_wheel WHEEL --compute-capability 9.0 --output carried/

For machines that only files reach, and small ones: of the 256 MB of onnxruntime-gpu 1.31 remain
70 MB for one kind of GPU, in parts of at most --part-mib. Sizes and places in the libraries
stay; what was left out is zeros. Whether a library runs so is seen on the GPU alone.

Source: entries of `.nv_fatbin` as NVIDIA's `fatbinary` writes them: a header of 16 bytes (magic,
version, header size, size), then entries (kind, version, header size, size; the architecture at
byte 28).
"""

from __future__ import annotations

import argparse
import base64
import csv
import hashlib
import io
import struct
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from runtime.errors import ArtifactError, OcrError
from runtime.files import part_path

_MAGIC = struct.pack("<I", 0xBA55ED50)
_HEADER = struct.Struct("<IHHQ")
_ENTRY = struct.Struct("<HHIQ")
_ARCHITECTURE_AT, _SHORTEST_ENTRY = 28, 32
_MIB = 2**20


class Entry(NamedTuple):
    """Code for one architecture.

    Args:
        architecture: compute capability without its point, e.g. 90.
        start, end: of the code, in bytes of the file.
    """

    architecture: int
    start: int
    end: int


def entries_of(data: bytes | bytearray) -> Iterator[Entry]:
    """Walk the code for GPUs in a library; none where there is none."""
    position = 0
    while (begin := data.find(_MAGIC, position)) >= 0:
        position = begin + len(_MAGIC)
        if begin + _HEADER.size > len(data):
            return
        _, _, header_size, size = _HEADER.unpack_from(data, begin)
        end = begin + header_size + size
        if header_size != _HEADER.size or end > len(data):
            continue  # these four bytes mean something else here
        entry = begin + header_size
        while entry + _SHORTEST_ENTRY <= end:
            _, _, entry_header, length = _ENTRY.unpack_from(data, entry)
            (architecture,) = struct.unpack_from("<I", data, entry + _ARCHITECTURE_AT)
            start = entry + entry_header
            if entry_header < _SHORTEST_ENTRY or start + length > end:
                raise ArtifactError(
                    f"unknown kind of GPU code: expected an entry within {end} bytes, got one to "
                    f"{start + length}"
                )
            yield Entry(architecture, start, start + length)
            entry = start + length
        position = end


def pruned(data: bytes, capability: tuple[int, int]) -> bytes:
    """Return a library with zeros for the code that a GPU does not run.

    Args:
        data: the library.
        capability: of the GPU; code for the nearest lower one of its major is kept where there is
            none for it.

    Raises:
        ArtifactError: if it has code, and none for the GPU.
    """
    entries = list(entries_of(data))
    if not entries:
        return data
    major, minor = capability
    known = sorted({entry.architecture for entry in entries})
    fitting = [number for number in known if number // 10 == major and number % 10 <= minor]
    if not fitting:
        told = ", ".join(f"{number // 10}.{number % 10}" for number in known)
        raise ArtifactError(f"no code for compute capability {major}.{minor}: got {told}")
    kept = bytearray(data)
    for entry in entries:
        if entry.architecture != fitting[-1]:
            kept[entry.start : entry.end] = bytes(entry.end - entry.start)
    return bytes(kept)


def write_pruned(wheel: Path, capability: tuple[int, int], output: Path) -> Path:
    """Write a wheel of the same name with code for one GPU, compressed as far as pip reads it.

    Raises:
        ArtifactError: if it is no wheel, or has no code for the GPU.
    """
    target = output / wheel.name
    part = part_path(target)
    try:
        with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(part, "w", zipfile.ZIP_LZMA) as sink:
            told: dict[str, tuple[str, int]] = {}
            for info in source.infolist():
                data = source.read(info)
                if info.filename.endswith(".dist-info/RECORD"):
                    data = _recorded(data, told)
                elif ".so" in Path(info.filename).name:
                    data = pruned(data, capability)
                    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest())
                    told[info.filename] = (f"sha256={digest.decode().rstrip('=')}", len(data))
                entry = zipfile.ZipInfo(info.filename, info.date_time)
                entry.external_attr, entry.compress_type = info.external_attr, zipfile.ZIP_LZMA
                sink.writestr(entry, data)
        part.replace(target)
    except (OSError, zipfile.BadZipFile) as error:
        raise ArtifactError(f"cannot prune {wheel}: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    return target


def divided(path: Path, most_bytes: int) -> list[Path]:
    """Divide a file into parts beside it, in place of it; one that is small enough stays."""
    if path.stat().st_size <= most_bytes:
        return [path]
    parts: list[Path] = []
    with path.open("rb") as file:
        while data := file.read(most_bytes):
            parts.append(path.with_name(f"{path.name}.part{len(parts):02d}"))
            parts[-1].write_bytes(data)
    path.unlink()
    return parts


def _recorded(record: bytes, told: dict[str, tuple[str, int]]) -> bytes:
    """Return a wheel's RECORD, which is its last file, with what is true of the others now."""
    rows = [
        [row[0], *map(str, told.get(row[0], row[1:]))]
        for row in csv.reader(io.StringIO(record.decode()))
        if row
    ]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu.pruned_wheel", description=(__doc__ or "").splitlines()[0]
    )
    add = parser.add_argument
    add("wheel", type=Path)
    add("--compute-capability", required=True, metavar="M.N", help="of the GPU, e.g. 9.0")
    add("--output", required=True, type=Path, metavar="DIR", help="a folder")
    add("--part-mib", type=int, default=60, metavar="N", help="largest part; default: 60")
    options = parser.parse_args(arguments)
    major, _, minor = options.compute_capability.partition(".")
    if not (major.isdecimal() and minor.isdecimal()) or options.part_mib < 1:
        parser.error("expected a compute capability such as 9.0, and parts of at least 1 MiB")
    try:
        options.output.mkdir(parents=True, exist_ok=True)
        wheel = write_pruned(options.wheel, (int(major), int(minor)), options.output)
        parts = divided(wheel, options.part_mib * _MIB)
    except (OSError, OcrError) as error:
        print(f"benchmarks.gpu.pruned_wheel: {error}", file=sys.stderr)
        return 2
    for part in parts:
        print(f"{part} {part.stat().st_size / _MIB:.1f} MiB")
    if len(parts) > 1:
        print(f"there: cat {wheel.name}.part* > {wheel.name}; pip install --no-deps {wheel.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
