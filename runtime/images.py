"""From a path, bytes or an array to one BGR image, as a person looking at it would expect."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.errors import ImageError
from runtime.image_formats import (
    JPEG_SIGNATURE,
    TIFF_SIGNATURES,
    exif_orientation,
    is_truncated,
    transparent_grey_level,
)

ImageSource = str | Path | bytes | NDArray[np.uint8] | NDArray[np.uint16]
"""A path, the bytes of an image file, or an array in BGR order."""

# fmt: off
IMAGE_SUFFIXES = frozenset({
    ".avif", ".bmp", ".dib", ".gif", ".jp2", ".jpe", ".jpeg", ".jpg",
    ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp",
})
# fmt: on
"""Suffixes, in lower case, by which `find_images` knows an image in a folder."""


DEFAULT_MAX_PIXELS = 64 * 2**20
"""Larger images are refused: some 0.2 GB of colours, where a line of text has well below 1 M."""


def source_name(source: object) -> str | None:
    """The path of a source given as one, None for bytes and arrays."""
    return os.fspath(source) if isinstance(source, str | Path) else None


def read_image(source: ImageSource, max_pixels: int = DEFAULT_MAX_PIXELS) -> NDArray[np.uint8]:
    """Read one image upright, opaque and 8 bits deep.

    EXIF orientation is applied, 16-bit levels are scaled, grey becomes BGR, and what is
    transparent shows white paper. Of an animation the first frame is read.

    Args:
        source: a path; the bytes of an image file; or an array, uint8 or uint16, [h, w],
            [h, w, 1], [h, w, 3] in BGR order or [h, w, 4] in BGRA order.
        max_pixels: h x w at most; a larger image is refused.

    Returns:
        BGR uint8 [h, w, 3]. An array that has this form already is returned itself, not copied.

    Raises:
        ImageError: naming the file and the reason.
    """
    name = source_name(source)
    try:
        image = _image_from_source(source, name)
        height, width = image.shape[:2]
        if height * width > max_pixels:
            raise ImageError(
                f"{width} x {height} px are too many: expected at most {max_pixels}; cut the "
                "lines out of the image first, or raise --max-pixels"
            )
        return image
    except ImageError as error:
        if name is None:
            raise
        raise ImageError(f"{name}: {error}") from error


def _image_from_source(source: ImageSource, name: str | None) -> NDArray[np.uint8]:
    if isinstance(source, np.ndarray):
        return _bgr_from_array(source)
    if name is not None:
        return _bgr_from_file(_read_bytes(name))
    if isinstance(source, bytes | bytearray | memoryview):
        return _bgr_from_file(bytes(source))
    raise ImageError(
        f"cannot read an image from {type(source).__name__}: "
        "expected a path, the bytes of an image file or an array"
    )


def _read_bytes(name: str) -> bytes:
    try:
        mode = os.stat(name).st_mode
        if stat.S_ISDIR(mode):
            if not os.access(name, os.R_OK | os.X_OK):
                raise ImageError("a folder that may not be listed; check its permissions")
            raise ImageError(
                "a folder that holds no image: expected files ending in one of "
                f"{' '.join(sorted(IMAGE_SUFFIXES))}"
            )
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise ImageError("a device, not a file: expected an image file")
        return Path(name).read_bytes()
    except FileNotFoundError as error:
        if glob.has_magic(name):
            raise ImageError("the pattern matches no image file; check the path") from error
        raise ImageError("no such file or folder; check the path") from error
    except (OSError, ValueError) as error:
        # A path with a zero byte in it is a ValueError.
        reason = error.strerror if isinstance(error, OSError) else error
        raise ImageError(f"cannot be opened: {reason}") from error


def _bgr_from_file(data: bytes) -> NDArray[np.uint8]:
    if not data:
        raise ImageError("the file is empty (0 bytes); copy it again")
    if is_truncated(data):
        raise ImageError(
            f"the file is cut short: it ends after {len(data)} bytes, before its image does; "
            "copy it again"
        )
    # Asked for "unchanged", OpenCV ignores a JPEG's orientation and hands out raw CMYK.
    is_jpeg = data.startswith(JPEG_SIGNATURE)
    decoded = _decode(data, cv2.IMREAD_COLOR if is_jpeg else cv2.IMREAD_UNCHANGED)
    transparent = transparent_grey_level(data)
    if transparent is not None and decoded.ndim == 2:
        decoded[decoded == transparent] = np.iinfo(decoded.dtype).max
    elif decoded.ndim == 3 and data.startswith(TIFF_SIGNATURES) and decoded.dtype == np.uint8:
        decoded = _multiplied_over_white(decoded)
    return _bgr_from_array(_upright(decoded, exif_orientation(data)))


def _decode(data: bytes, flags: int) -> NDArray[np.uint8]:
    try:
        decoded = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags)
    except cv2.error as error:
        reason = getattr(error, "err", "") or str(error)
        if "CV_IO_MAX_IMAGE" in reason:
            raise ImageError(
                "the image is larger than OpenCV decodes (2^20 px a side, 2^30 px in all); "
                "cut the lines out of it first"
            ) from error
        raise ImageError(f"OpenCV cannot decode it: {' '.join(reason.split())}") from error
    if decoded is None:
        raise ImageError(
            f"not an image that OpenCV can decode: its {len(data)} bytes begin with "
            f"{data[:8]!r}; expected JPEG, PNG, TIFF, WebP, BMP or another common format"
        )
    return decoded  # type: ignore[return-value]


def _upright(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo an EXIF orientation: 5 .. 8 are mirrored at the diagonal, then as 1 .. 4."""
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return image


def _bgr_from_array(array: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.uint8]:
    channels = 1 if array.ndim == 2 else array.shape[-1]
    if array.ndim not in (2, 3) or channels not in (1, 3, 4) or not array.size:
        raise ImageError(
            "cannot take the array for an image: expected shape [h, w], [h, w, 1], [h, w, 3] or "
            f"[h, w, 4] without a zero, got {list(array.shape)}"
        )
    if array.dtype == np.uint16:
        # 65535 = 255 * 257, so that white stays white; the division rounds.
        array = (array // 257 + (array % 257 > 128)).astype(np.uint8)
    elif array.dtype != np.uint8:
        raise ImageError(
            f"cannot take levels of type {array.dtype}: expected 8 or 16 bits unsigned; "
            "scale the image to 0 .. 255 and make it uint8"
        )
    image = np.ascontiguousarray(array, dtype=np.uint8)
    if channels == 1:
        return np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)
    return _over_white(image) if channels == 4 else image


def _over_white(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay BGRA uint8 [h, w, 4] on white paper, rounding to the nearest level."""
    alpha = image[:, :, 3:].astype(np.uint32)
    blended = image[:, :, :3] * alpha + 255 * (255 - alpha)
    return ((blended + 127) // 255).astype(np.uint8)


def _multiplied_over_white(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """As `_over_white` for colours already multiplied by alpha, as libtiff hands out 8 bits."""
    if image.shape[2] != 4:
        return image
    return cv2.add(image[:, :, :3], 255 - image[:, :, 3:].repeat(3, axis=2)).astype(np.uint8)


def find_images(paths: Iterable[str | Path]) -> Iterator[str]:
    """Image paths that files, folders and patterns stand for, one by one, in the order given.

    - A file is taken whatever its suffix, hidden or not, and as often as it is named.
    - A folder gives the files in it and in its folders that have an image's suffix, in any
      case, sorted by name within each folder; hidden files and folders are skipped and links to
      folders are not followed.
    - A pattern (`*`, `?`, `[...]`, and `**` for any depth) gives the files with an image's
      suffix that it matches, sorted. A file whose name looks like a pattern is that file.
    - What names nothing, or a folder or pattern without images, is handed on as it stands:
      `read_image` then says what is wrong with it, and the others are unaffected.

    Args:
        paths: files, folders and patterns.

    Returns:
        paths, beginning as they were given; found while iterating, not held in memory at once.
    """
    for path in paths:
        name = os.fspath(path)
        found = False
        for one in _images_of(name):
            found = True
            yield one
        if not found:
            yield name


def _images_of(name: str) -> Iterator[str]:
    if os.path.isdir(name):
        yield from _images_in_folder(name)
    elif not os.path.lexists(name) and glob.has_magic(name):
        matches = glob.iglob(name, recursive=True)
        yield from sorted(one for one in matches if _has_image_suffix(one) and os.path.isfile(one))


def _images_in_folder(folder: str) -> Iterator[str]:
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError:
        # Named on a line of its own by `read_image`, which meets the same obstacle.
        yield folder
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _images_in_folder(entry.path)
        elif _has_image_suffix(entry.name) and not entry.is_dir():
            yield entry.path


def _has_image_suffix(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
