"""Hundreds of damaged and odd files: each is read or reported, none stops, hangs or bloats.

They are read by a process of its own, whose memory is watched.
"""

from __future__ import annotations

import io
import json
import os
import random
import socket
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from runtime.errors import ImageError
from runtime.images.read import read_image

Image = pytest.importorskip("PIL.Image", reason="pillow writes the formats read here")
pytest.importorskip("onnxruntime", reason="the command line is run with a model")

ROOT = Path(__file__).parents[3]
MAX_PIXELS = 2**20
MOST_MEMORY_BYTES = 2 * 32 * MAX_PIXELS  # two threads, each with the deepest image in hand

COLOUR = Image.fromarray(np.random.default_rng(1).integers(0, 256, (24, 90, 3), dtype=np.uint8))
FLOAT = np.linspace(0, 1, 24 * 90, dtype=np.float32).reshape(24, 90)


def saved(kind: str, mode: str = "RGB", **options: object) -> bytes:
    stream = io.BytesIO()
    COLOUR.convert(mode).save(stream, kind, **options)
    return stream.getvalue()


def written(suffix: str, array: np.ndarray) -> bytes:
    return bytes(cv2.imencode(suffix, array)[1])


def png(ihdr: bytes, pixels: bytes, *more: tuple[bytes, bytes]) -> bytes:
    chunks = [(b"IHDR", ihdr), *more, (b"IDAT", zlib.compress(pixels)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def grey_png(width: int, height: int, bits: int = 8, is_interlaced: bool = False) -> bytes:
    """A black PNG, its pixels in the seven passes of Adam7 or in one."""
    passes = [(0, 8, 0, 8), (4, 8, 0, 8), (0, 4, 4, 8), (2, 4, 0, 4), (0, 2, 2, 4), (1, 2, 0, 2),
              (0, 1, 1, 2)] if is_interlaced else [(0, 1, 0, 1)]  # fmt: skip
    pixels = b"".join(
        bytes(1 + (len(range(left, width, across)) * bits + 7) // 8)
        for left, across, top, down in passes
        for _ in range(top, height, down)
        if len(range(left, width, across))
    )
    ihdr = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, is_interlaced)
    return png(ihdr, pixels)


FORMATS = {
    "png": saved("PNG"),
    "palette.png": saved("PNG", "P"),
    "alpha.png": saved("PNG", "RGBA"),
    "apng.png": saved("PNG", save_all=True, append_images=[COLOUR.rotate(180)]),
    "jpg": saved("JPEG"),
    "progressive.jpg": saved("JPEG", progressive=True),
    "tif": saved("TIFF"),
    "lzw.tif": saved("TIFF", compression="tiff_lzw"),
    "pages.tif": saved("TIFF", save_all=True, append_images=[COLOUR.rotate(180)]),
    "webp": saved("WEBP"),
    "lossless.webp": saved("WEBP", lossless=True),
    "animated.webp": saved("WEBP", save_all=True, append_images=[COLOUR.rotate(180)]),
    "bmp": saved("BMP"),
    "gif": saved("GIF"),
    "animated.gif": saved("GIF", save_all=True, append_images=[COLOUR.rotate(180)]),
    "jp2": saved("JPEG2000"),
    "ppm": saved("PPM"),
}

SOUND = {
    **{f"whole.{name}": data for name, data in FORMATS.items()},
    **{f"mode_{mode}.png": saved("PNG", mode) for mode in ("1", "L", "LA", "I;16")},
    **{f"mode_{mode}.tif": saved("TIFF", mode) for mode in ("1", "L", "P", "I;16", "YCbCr")},
    **{f"mode_{mode}.jpg": saved("JPEG", mode) for mode in ("L", "CMYK", "YCbCr")},
    **{f"bits_{bits}.png": grey_png(33, 9, bits) for bits in (1, 2, 4, 8, 16)},
    **{f"adam7_{size}.png": grey_png(size, 1 + size // 2, 8, True) for size in (1, 3, 8, 50)},
    **{f"wide.{kind}": written(f".{kind}", np.zeros((1, 20_000, 3), np.uint8))
       for kind in ("png", "jpg", "bmp", "tiff")},
    **{f"high.{kind}": written(f".{kind}", np.zeros((20_000, 1, 3), np.uint8))
       for kind in ("png", "jpg", "bmp", "tiff")},
    **{f"dot.{kind}": written(f".{kind}", np.zeros((1, 1, 3), np.uint8))
       for kind in ("png", "jpg", "bmp", "tiff", "webp")},
    "deep_colour.png": written(".png", np.full((9, 30, 3), 40_000, np.uint16)),
    "deep_alpha.png": written(".png", np.full((9, 30, 4), 40_000, np.uint16)),
    "deep_and_large.png": written(".png", np.full((1024, 1024, 4), 40_000, np.uint16)),
    "deep.tiff": written(".tiff", np.full((9, 30, 3), 40_000, np.uint16)),
    **{f"turned_{turn}.jpg": saved("JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0"
                                   + bytes([turn, 0, 0, 0, 0, 0, 0, 0])) for turn in range(12)},
    "no_orientation.jpg": saved("JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"),
    "profile_bomb.png": png(struct.pack(">IIBBBBB", 4, 4, 8, 0, 0, 0, 0), bytes(20),
                            (b"zTXt", b"a\0\0" + zlib.compress(bytes(2**26)))),
}  # fmt: skip


def with_size(name: str, width: int, height: int) -> bytes:
    """A small file whose header says that its image is large."""
    data = bytearray(FORMATS[name])
    if name == "png":
        ihdr = struct.pack(">II", width, height) + data[24:29]
        data[16:33] = ihdr + struct.pack(">I", zlib.crc32(b"IHDR" + ihdr))
    elif name == "jpg":
        at = data.index(b"\xff\xc0")
        struct.pack_into(">HH", data, at + 5, min(height, 65535), min(width, 65535))
    elif name == "gif":
        struct.pack_into("<HH", data, 6, min(width, 65535), min(height, 65535))
    elif name == "bmp":
        struct.pack_into("<ii", data, 18, width, -height)
    elif name == "jp2":
        struct.pack_into(">II", data, data.index(b"\xff\x4f\xff\x51") + 8, width, height)
    elif name == "ppm":
        data[:] = b"P6 %d %d 255\n" % (width, height)
    elif name == "tif":
        entry = struct.pack("<HHII", 0x100, 4, 1, width) + struct.pack("<HHII", 0x101, 4, 1, height)
        data[:] = b"II*\0\x08\0\0\0\2\0" + entry + bytes(4)
    elif name == "animated.webp":
        data[24:30] = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return bytes(data)


SIZED = ("png", "jpg", "gif", "bmp", "jp2", "ppm", "tif", "animated.webp")
HUGE = [(60_000, 60_000), (2**24, 2**24), (5_000, 300), (2**31 - 1, 40)]
FAULTY = {
    "empty.png": b"",
    "zeros.png": bytes(5000),
    "text.jpg": b"this is no image\n" * 40,
    "page.png": b"<!DOCTYPE html><html><body>404</body></html>",
    "drawing.png": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "document.png": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "nothing_wide.png": grey_png(0, 10),
    "float.tiff": written(".tiff", FLOAT),
    "nan.tiff": written(".tiff", np.where(FLOAT > 0.5, np.nan, FLOAT)),
    "infinite.tiff": written(".tiff", np.where(FLOAT > 0.5, np.inf, FLOAT)),
    "double.tiff": written(".tiff", FLOAT.astype(np.float64)),
    "pillow_float.tif": saved("TIFF", "F"),
    "radiance.png": written(".hdr", np.dstack([FLOAT] * 3)),
    "portable_float.png": written(".pfm", FLOAT),
    **{f"random_{seed}.png": random.Random(seed).randbytes(50 * seed) for seed in range(1, 16)},
    **{f"only.{name}": data[:12] for name, data in FORMATS.items()},
    **{f"huge_{width}_{height}.{name}": with_size(name, width, height)
       for name in SIZED for width, height in HUGE},
}  # fmt: skip


def damaged() -> Iterator[tuple[str, bytes]]:
    """Files that may or may not be readable still."""
    for name, data in FORMATS.items():
        for part in range(1, 10):
            yield f"cut_{part}.{name}", data[: len(data) * part // 10]
        yield f"cut_last.{name}", data[:-1]
        yield f"wrong_magic.{name}", b"\0" + data[1:]
        yield f"more.{name}", data + bytes(1000)
        for seed in range(8):
            rng = random.Random(f"{name} {seed}")
            flipped = bytearray(data)
            for _ in range(1 + seed):
                flipped[rng.randrange(len(flipped))] = rng.randrange(256)
            yield f"flipped_{seed}.{name}", bytes(flipped)
    for name, data in FORMATS.items():
        yield f"other_magic.{name}", FORMATS["png"][:8] + data[8:]


def odd_entries(folder: Path) -> None:
    """What a file system may hold under an image's name."""
    (folder / "nowhere.png").symlink_to(folder / "absent.png")
    (folder / "circle.png").symlink_to(folder / "circle.png")
    (folder / "endless.png").symlink_to("/dev/zero")
    (folder / "void.png").symlink_to("/dev/null")
    (folder / "again").symlink_to(folder)
    (folder / "folder.png").mkdir()
    (folder / "deeper.png").mkdir()
    (folder / "deeper.png" / "up").symlink_to(folder)
    os.mkfifo(folder / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(folder / "socket.png"))
    with (folder / "sparse.png").open("wb") as file:
        file.write(FORMATS["png"])
        file.truncate(2**36)


UNREADABLE_ENTRIES = {
    "nowhere.png", "circle.png", "endless.png", "void.png", "pipe.png", "socket.png", "sparse.png",
}  # fmt: skip

READ_ALL = """
import json, re, sys
from pathlib import Path
from runtime.infer.__main__ import main

def peak_bytes():
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1])

folder, good, model, output, max_pixels = sys.argv[1:]
options = ["--model", model, "--threads", "2", "--quiet", "--max-pixels", max_pixels]
main([good, *options])
before = peak_bytes()
status = main([folder, *options, "--output", output])
print(json.dumps([status, peak_bytes() - before]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="pipes, devices, /proc")
def test_hundreds_of_odd_files(
    toy_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, output = tmp_path / "odd", tmp_path / "r.jsonl"
    folder.mkdir()
    monkeypatch.chdir(folder)  # the path of a socket must be short
    files = {**SOUND, **FAULTY, **dict(damaged())}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    undecodable = os.fsencode(folder) + b"/\xff\xfe.png"
    with open(undecodable, "wb") as file:
        file.write(FORMATS["png"])
    odd_entries(folder)
    good = tmp_path / "good.png"
    good.write_bytes(FORMATS["png"])
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, folder, good, toy_path, output, str(MAX_PIXELS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    status, growth = json.loads(done.stdout.splitlines()[-1])
    assert status == 1, done.stderr[-2000:]
    assert growth < MOST_MEMORY_BYTES
    errors: dict[str, str | None] = {}
    for line in output.read_text().splitlines():
        record = json.loads(line)
        name, _, _ = os.path.relpath(record["file"], folder).partition("#page=")
        errors[name] = errors.get(name) or record["error"]
    assert len(files) >= 500
    assert errors.keys() == {*files, *UNREADABLE_ENTRIES, os.fsdecode(b"\xff\xfe.png")}
    assert [name for name in {*SOUND, os.fsdecode(b"\xff\xfe.png")} if errors[name]] == []
    assert [name for name in {*FAULTY, *UNREADABLE_ENTRIES} if not errors[name]] == []
    for name in (name for name in FAULTY if name.startswith("huge")):
        reason = str(errors[name])
        is_refused = "too large" in reason or "JP2 header says" in reason
        assert is_refused, f"{name} is refused from its header"


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything"
)
def test_files_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(FORMATS["png"])
    path.chmod(0)
    with pytest.raises(ImageError, match=r"cannot be opened: Permission denied"):
        read_image(path)
