"""From a path, bytes or an array to one BGR image, as a person looking at it would expect."""

from __future__ import annotations

import glob
import os
import stat
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime import tiff_header
from runtime.errors import ImageError
from runtime.image_formats import (
    JPEG_SIGNATURE,
    exif_orientation,
    is_truncated,
    transparent_grey_level,
)
from runtime.image_size import declared_size
from runtime.sources import IMAGE_SUFFIXES, NamedImage, Page, Refused, find_images

__all__ = ["DEFAULT_MAX_PIXELS", "ImageSource", "find_images", "read_image", "source_name"]

ImageSource = (
    str | Path | bytes | NamedImage | Page | Refused | NDArray[np.uint8] | NDArray[np.uint16]
)
"""A path, the bytes of an image file, these with a name, a page, or an array in BGR order."""

DEFAULT_MAX_PIXELS = 64 * 2**20
"""Larger images are refused: some 0.2 GB of colours, where a line of text has well below 1 M."""

_MOST_BYTES_PER_PIXEL = 16
_MOST_OF_METADATA = 2**24


def source_name(source: object) -> str | None:
    """The path of a source given as one, or its own name; None for bytes and arrays."""
    if isinstance(source, NamedImage | Page | Refused):
        return source.name
    return os.fspath(source) if isinstance(source, str | Path) else None


def read_image(source: ImageSource, max_pixels: int = DEFAULT_MAX_PIXELS) -> NDArray[np.uint8]:
    """Read one image upright, opaque and 8 bits deep.

    EXIF orientation is applied, 16-bit levels are scaled, grey becomes BGR, and what is
    transparent shows white paper. Of a file with several pages or frames the first is read,
    unless the source is a `Page`.

    Args:
        source: a path; the bytes of an image file; either of these as a `NamedImage` or `Page`;
            or an array, uint8 or uint16, [h, w], [h, w, 1], [h, w, 3] in BGR order or [h, w, 4]
            in BGRA order.
        max_pixels: h x w at most; a larger image is refused, a file before it is decoded.

    Returns:
        BGR uint8 [h, w, 3]. An array that has this form already is returned itself, not copied.

    Raises:
        ImageError: naming the file and the reason.
    """
    name = source_name(source)
    try:
        if isinstance(source, np.ndarray):
            _check_size(source.shape[1::-1], max_pixels)
            return _bgr_from_array(source)
        if isinstance(source, Page):
            return _bgr_from_file(_read_bytes(source.path, max_pixels), max_pixels, source.number)
        if isinstance(source, Refused):
            raise ImageError(source.reason)
        if isinstance(source, NamedImage):
            return _bgr_from_file(source.data, max_pixels)
        if name is not None:
            return _bgr_from_file(_read_bytes(name, max_pixels), max_pixels)
        if isinstance(source, bytes | bytearray | memoryview):
            return _bgr_from_file(bytes(source), max_pixels)
        raise ImageError(
            f"cannot read an image from {type(source).__name__}: "
            "expected a path, the bytes of an image file or an array; of a Pillow image pass "
            'np.asarray(image.convert("RGB"))[:, :, ::-1]'
        )
    except ImageError as error:
        if name is None:
            raise
        raise ImageError(f"{name}: {error}") from error


def most_bytes(max_pixels: int) -> int:
    """How long the file of an image of `max_pixels` may be."""
    return max_pixels * _MOST_BYTES_PER_PIXEL + _MOST_OF_METADATA


def _check_size(size: tuple[int, ...], max_pixels: int) -> None:
    width, height = size if len(size) == 2 else (0, 0)
    if width * height > max_pixels:
        raise ImageError(
            f"too large: {width} x {height} px are {width * height} pixels, expected at most "
            f"{max_pixels}; cut the lines out of it first, or raise --max-pixels"
        )


def _read_bytes(name: str, max_pixels: int) -> bytes:
    try:
        # Not blocking, or a pipe that nobody writes to would be waited for here forever.
        descriptor = os.open(name, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise ImageError(_reason_against(found.st_mode, name))
            limit = most_bytes(max_pixels)
            if found.st_size > limit:
                raise ImageError(
                    f"too large: {found.st_size} bytes, expected at most {limit}; "
                    "cut the lines out of it first, or raise --max-pixels"
                )
            return file.read(limit)
    except FileNotFoundError as error:
        raise ImageError(_reason_for_absence(name)) from error
    except IsADirectoryError as error:
        raise ImageError(_reason_against(stat.S_IFDIR, name)) from error
    except (OSError, ValueError) as error:
        # A path with a zero byte in it is a ValueError.
        reason = error.strerror if isinstance(error, OSError) else error
        if os.path.isdir(name):
            reason = "a folder that may not be listed; check its permissions"
        raise ImageError(f"cannot be opened: {reason}") from error


def _reason_against(mode: int, name: str) -> str:
    if stat.S_ISDIR(mode):
        return _reason_unless_images(name) or (
            "a folder that holds no image: expected files ending in one of "
            f"{' '.join(sorted(IMAGE_SUFFIXES))}"
        )
    if stat.S_ISFIFO(mode):
        return "a pipe, not a file: expected an image file; pass a stream with --stdin-images"
    return "a device, not a file: expected an image file"


def _reason_unless_images(name: str) -> str:
    """What is wrong with a folder or pattern that stands for images; nothing if it does not."""
    if next(find_images([name])) == name:
        return ""
    return (
        "a folder or pattern, not an image: expected single images; the command line finds them "
        "by itself, in Python pass list(runtime.find_images([path]))"
    )


def _reason_for_absence(name: str) -> str:
    if "://" in name:
        return "an address, not a file: nothing is fetched here; download it first"
    if os.path.lexists(name):
        return "a link that leads nowhere; check what it points to"
    if glob.has_magic(name):
        return _reason_unless_images(name) or "the pattern matches no image file; check the path"
    return "no such file or folder; check the path"


def _bgr_from_file(data: bytes, max_pixels: int, page: int | None = None) -> NDArray[np.uint8]:
    if not data:
        raise ImageError("the file is empty (0 bytes); copy it again")
    if is_truncated(data):
        raise ImageError(
            f"the file is cut short: it ends after {len(data)} bytes, before its image does; "
            "copy it again"
        )
    size = declared_size(data, page or 0)
    if size is None:
        raise _not_an_image(data)
    _check_size(size, max_pixels)
    # Asked for "unchanged", OpenCV ignores a JPEG's orientation and hands out raw CMYK.
    is_jpeg = data.startswith(JPEG_SIGNATURE)
    decoded = _decode(data, cv2.IMREAD_COLOR if is_jpeg else cv2.IMREAD_UNCHANGED, page)
    transparent = transparent_grey_level(data)
    if transparent is not None and decoded.ndim == 2:
        decoded[decoded == transparent] = np.iinfo(decoded.dtype).max
    elif (
        decoded.ndim == 3 and data.startswith(tiff_header.SIGNATURES) and decoded.dtype == np.uint8
    ):
        decoded = _multiplied_over_white(decoded)
    return _bgr_from_array(_upright(decoded, exif_orientation(data)))


def _decode(data: bytes, flags: int, page: int | None) -> NDArray[np.uint8]:
    buffer = np.frombuffer(data, dtype=np.uint8)
    decoded: object = None
    try:
        if page is None:
            decoded = cv2.imdecode(buffer, flags)
        elif data.startswith(tiff_header.SIGNATURES):
            decoded = next(iter(cv2.imdecodemulti(buffer, flags, range=(page, page + 1))[1]), None)
        else:
            decoded = next(iter(cv2.imdecodeanimation(buffer, page, 1)[1].frames), None)
    except cv2.error as error:
        reason = getattr(error, "err", "") or str(error)
        if "CV_IO_MAX_IMAGE" in reason:
            raise ImageError(
                "the image is larger than OpenCV decodes (2^20 px a side, 2^30 px in all); "
                "cut the lines out of it first"
            ) from error
        raise ImageError(f"OpenCV cannot decode it: {' '.join(reason.split())}") from error
    except MemoryError as error:
        raise ImageError("no memory is left to decode it; lower --max-pixels") from error
    if decoded is None:
        raise _not_an_image(data)
    return decoded  # type: ignore[return-value]


def _not_an_image(data: bytes) -> ImageError:
    return ImageError(
        f"not an image that OpenCV can decode: its {len(data)} bytes begin with "
        f"{data[:8]!r}; expected JPEG, PNG, TIFF, WebP, BMP or another common format"
    )


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
        # 65535 = 255 * 257, so that white stays white; OpenCV rounds, and takes no memory beside.
        array = (
            cv2.convertScaleAbs(array, alpha=1 / 257)
            .reshape(array.shape)
            .astype(np.uint8, copy=False)
        )
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
    alpha = image[:, :, 3:].astype(np.uint16)
    blended = image[:, :, :3] * alpha  # 255 * 255 and half of 255 still fit 16 bits
    blended += 255 * (255 - alpha) + 127
    blended //= 255
    return blended.astype(np.uint8)


def _multiplied_over_white(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """As `_over_white` for colours already multiplied by alpha, as libtiff hands out 8 bits."""
    if image.shape[2] != 4:
        return image
    return cv2.add(image[:, :, :3], 255 - image[:, :, 3:].repeat(3, axis=2)).astype(np.uint8)
