import io
import os
import struct
import tracemalloc
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from runtime.errors import ImageError
from runtime.images.loading import load_image
from runtime.images.read import read_image
from runtime.images.sources import NamedImage, sources_from

Image = pytest.importorskip("PIL.Image", reason="pillow writes the formats read here")
ImageOps = pytest.importorskip("PIL.ImageOps")

SMALL = np.random.default_rng(1).integers(0, 256, (4, 6, 3), dtype=np.uint8)
BGR = cv2.resize(SMALL, (60, 40)).astype(np.uint8)
ALPHA = np.tile(np.linspace(0, 255, 60).astype(np.uint8), (40, 1))
COLOUR = Image.fromarray(BGR[:, :, ::-1])
RGBA = Image.fromarray(np.dstack([BGR[:, :, ::-1], ALPHA]))
GREY = COLOUR.convert("L")
GREY_ALPHA = Image.merge("LA", [GREY, RGBA.split()[3]])
PALETTE = COLOUR.quantize(16)


def saved(image: object, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)  # type: ignore[attr-defined]
    return stream.getvalue()


def rotated(orientation: int) -> dict[str, object]:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return {"exif": exif}


def as_a_person_sees(data: bytes) -> NDArray[np.uint8]:
    """Pillow's reading: upright, on white paper, BGR."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if "A" in image.mode or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (255,) * 4), image)
    return np.asarray(image.convert("RGB"))[:, :, ::-1]


CASES = {
    "jpeg": saved(COLOUR, "JPEG"),
    "jpeg cmyk": saved(COLOUR.convert("CMYK"), "JPEG", quality=95),
    "jpeg grey": saved(GREY, "JPEG"),
    "png": saved(COLOUR, "PNG"),
    "png one bit": saved(COLOUR.convert("1"), "PNG"),
    "png alpha": saved(RGBA, "PNG"),
    "png grey alpha": saved(GREY_ALPHA, "PNG"),
    "png palette": saved(PALETTE, "PNG"),
    "png palette transparent": saved(PALETTE, "PNG", transparency=3),
    "png grey transparent": saved(GREY, "PNG", transparency=int(GREY.getpixel((5, 5)))),
    "png colour transparent": saved(COLOUR, "PNG", transparency=COLOUR.getpixel((5, 5))),
    "webp": saved(COLOUR, "WEBP", lossless=True),
    "webp alpha": saved(RGBA, "WEBP", lossless=True),
    "tiff": saved(COLOUR, "TIFF"),
    "tiff alpha": saved(RGBA, "TIFF"),
    "tiff one bit": saved(COLOUR.convert("1"), "TIFF"),
    "tiff turned": saved(COLOUR, "TIFF", tiffinfo={0x0112: 6}),
    "bmp": saved(COLOUR, "BMP"),
    **{f"jpeg exif {turn}": saved(COLOUR, "JPEG", **rotated(turn)) for turn in range(1, 9)},
    **{f"png exif {turn}": saved(COLOUR, "PNG", **rotated(turn)) for turn in range(1, 9)},
    "png alpha exif 5": saved(RGBA, "PNG", **rotated(5)),
    "webp exif 6": saved(COLOUR, "WEBP", lossless=True, **rotated(6)),
}


@pytest.mark.parametrize("name", CASES)
def test_files_are_read_as_a_person_sees_them(name: str, tmp_path: Path) -> None:
    data = CASES[name]
    image = read_image(data)
    assert image.dtype == np.uint8 and image.flags.c_contiguous
    expected = as_a_person_sees(data)
    assert image.shape == expected.shape
    # Two libraries may round a blend or a colour conversion apart by one.
    assert np.abs(image.astype(int) - expected.astype(int)).max() <= 1
    path = tmp_path / "image"
    path.write_bytes(data)
    assert np.array_equal(read_image(path), image)
    assert np.array_equal(read_image(str(path)), image)


LEVELS_16 = np.array([[0, 128, 129, 257, 30_000, 65_278, 65_535]], dtype=np.uint16)
LEVELS_8 = [0, 0, 1, 1, 117, 254, 255]


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bits_are_scaled_to_eight(suffix: str) -> None:
    data = bytes(cv2.imencode(suffix, LEVELS_16)[1])
    assert read_image(data)[0, :, 1].tolist() == LEVELS_8


def test_sixteen_bit_alpha_shows_white_paper() -> None:
    bgra = np.full((2, 3, 4), 20_000, dtype=np.uint16)
    bgra[:, :, 3] = [0, 65_535, 32_768]
    image = read_image(bytes(cv2.imencode(".png", bgra)[1]))
    assert image[0, :, 0].tolist() == [255, 78, 166]


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_arrays_are_taken(shape: tuple[int, ...], dtype: type) -> None:
    image = read_image(np.full(shape, np.iinfo(dtype).max, dtype=dtype))
    assert image.shape == (5, 7, 3) and image.dtype == np.uint8 and (image == 255).all()


def test_an_array_keeps_its_bgr_order() -> None:
    assert np.array_equal(read_image(BGR), BGR)
    assert np.array_equal(read_image(BGR[::-1, ::-1]), BGR[::-1, ::-1])


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((3,), np.uint8),
        np.zeros((2, 2, 2), np.uint8),
        np.zeros((2, 2, 5), np.uint8),
        np.zeros((1, 2, 2, 3), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 0), np.uint8),
        np.zeros((2, 2), np.float32),
        np.zeros((2, 2), bool),
        np.zeros((2, 2), np.int16),
    ],
)
def test_other_arrays_are_refused(array: NDArray[np.uint8]) -> None:
    with pytest.raises(ImageError, match=r"cannot take .*expected .*"):
        read_image(array)


def test_a_source_of_another_kind_is_refused() -> None:
    with pytest.raises(ImageError, match="from int: expected a path"):
        read_image(3)  # type: ignore[arg-type]


def huge_png() -> bytes:
    """A whole PNG that claims 60,000 x 60,000 px."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + checksum

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"just some text\n", r"not an image that OpenCV can decode.*begin with b'just som'"),
        (CASES["jpeg"][:-200], "cut short"),
        (CASES["jpeg"][:-2], "cut short"),
        (CASES["png"][:-12], "cut short"),
        (CASES["tiff"][: len(CASES["tiff"]) // 2], "not an image"),
        (CASES["webp"][: len(CASES["webp"]) // 2], "not an image"),
        (huge_png(), "too large: 60000 x 60000 px"),
    ],
)
def test_bad_files_are_refused_with_the_reason(data: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "scan.png"
    path.write_bytes(data)
    with pytest.raises(ImageError, match=f"scan.png: .*{reason}"):
        read_image(path)
    with pytest.raises(ImageError, match=f"^[^:]*{reason}"):
        read_image(data)


def test_what_is_no_file_is_refused_with_the_reason(tmp_path: Path) -> None:
    for source, reason in {
        str(tmp_path / "none.png"): "no such file",
        str(tmp_path / "*.png"): "the pattern matches no image file",
        str(tmp_path): "a folder that holds no image",
        "/dev/null": "a device",
        "nul\0byte": "cannot be opened",
        str(tmp_path / ("long" * 200)): "cannot be opened: File name too long",
    }.items():
        with pytest.raises(ImageError, match=reason):
            read_image(source)


@pytest.mark.parametrize("size", [(1, 1), (20_000, 10), (10, 20_000)])
def test_extreme_sizes_are_read(size: tuple[int, int]) -> None:
    data = bytes(cv2.imencode(".png", np.full(size, 7, dtype=np.uint8))[1])
    assert read_image(data).shape == (*size, 3)


def test_the_largest_size_is_for_the_caller_to_say() -> None:
    data = CASES["png"]
    assert read_image(data, max_pixels=60 * 40).shape == (40, 60, 3)
    with pytest.raises(ImageError, match="60 x 40 px are 2400 pixels, expected at most 2399"):
        read_image(data, max_pixels=60 * 40 - 1)
    with pytest.raises(ImageError, match="2400 pixels"):
        read_image(BGR, max_pixels=2399)
    with pytest.raises(ImageError, match="larger than OpenCV decodes"):
        read_image(huge_png(), max_pixels=2**34)


def test_a_huge_file_is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "sparse.png"
    with path.open("wb") as file:
        file.truncate(2**34)
    with pytest.raises(ImageError, match="too large: 17179869184 bytes"):
        read_image(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match="a pipe, not a file"):
        read_image(tmp_path / "pipe.png")


@pytest.mark.parametrize("address", ["https://example.org/a.png", "file:///tmp/a.png"])
def test_addresses_are_not_fetched(address: str) -> None:
    with pytest.raises(ImageError, match="nothing is fetched here"):
        read_image(address)


def test_links_that_lead_nowhere_or_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "nowhere.png").symlink_to(tmp_path / "absent.png")
    (tmp_path / "circle.png").symlink_to(tmp_path / "circle.png")
    with pytest.raises(ImageError, match="a link that leads nowhere"):
        read_image(tmp_path / "nowhere.png")
    with pytest.raises(ImageError, match="cannot be opened"):
        read_image(tmp_path / "circle.png")


def test_an_image_of_a_stream_has_its_name() -> None:
    assert read_image(NamedImage("stdin#image=1", CASES["png"])).shape == (40, 60, 3)
    with pytest.raises(ImageError, match=r"^stdin#image=2: the file is empty"):
        read_image(NamedImage("stdin#image=2", b""))


def test_whatever_a_decoder_raises_is_the_error_of_its_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for error, reason in {
        MemoryError(): "no memory is left to decode it",
        SystemError("odd\nnews"): "cannot be read: SystemError: odd news",
        AttributeError("none"): "cannot be read: AttributeError: none",
    }.items():

        def fail(*_arguments: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(cv2, "imdecode", fail)
        with pytest.raises(ImageError, match=reason):
            read_image(CASES["png"])
        with pytest.raises(ImageError, match=reason):
            load_image(NamedImage("a", CASES["png"]), 10**6)


def test_no_more_is_allocated_than_the_file_is_long(tmp_path: Path) -> None:
    path = tmp_path / "small.png"
    path.write_bytes(CASES["png"])
    tracemalloc.start()
    try:
        read_image(path)
        list(sources_from([str(path)]))
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()
