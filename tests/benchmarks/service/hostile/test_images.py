"""Hostile images are what they claim to be: a decoder, or a walk through their bytes, says so."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest

from benchmarks.service.hostile import images

MOST_ENTRIES = 2**16 - 1


def test_fill_is_all_there_is() -> None:
    data = images.jpeg_fill(1000)
    assert data[:3] == b"\xff\xd8\xff" and len(data) == 1002
    assert set(data[2:]) == {0xFF}


def test_the_width_of_a_pnm_never_comes() -> None:
    data = images.pnm_newlines(1000)
    assert data[:2] == b"P6" and len(data) == 1003
    assert not data[2:-1].strip() and not data[-1:].isdigit()


@pytest.mark.parametrize("side", [8, 200, 3000])
def test_a_jpeg_has_so_many_scans_and_can_be_decoded(side: int) -> None:
    data = images.jpeg_scans(side, 7)
    # Entropy-coded data hold FF only with 00 behind it, so each of these is a marker.
    assert data.count(b"\xff\xda") == 7 and data.count(b"\xff\xc2") == 1
    assert data.endswith(b"\xff\xd9")
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert decoded is not None and decoded.shape == (side, side)


def test_another_scan_is_a_few_bytes_whatever_the_size() -> None:
    fewer, more = (len(images.jpeg_scans(7992, scans)) for scans in (10, 11))
    assert more - fewer < 100


@pytest.mark.parametrize("side", [30, 3000, 5000])
def test_a_png_is_small_and_its_image_large(side: int) -> None:
    data = images.large_png(side)
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert decoded is not None and decoded.shape == (side, side) and not decoded.any()
    assert len(data) < 100 + side * side // 500


def test_directories_overlap_and_all_lie_within_the_file() -> None:
    data = images.tiff_overlap(50)
    starts = []
    (start,) = struct.unpack_from("<I", data, 4)
    while start:
        starts.append(start)
        (count,) = struct.unpack_from("<H", data, start)
        assert count == MOST_ENTRIES
        (start,) = struct.unpack_from("<I", data, start + 2 + 12 * count)
    assert len(starts) == 50
    assert max(np.diff(starts)) < 2 + 12 * MOST_ENTRIES
    assert len(data) < 2 * (2 + 12 * MOST_ENTRIES)


@pytest.mark.parametrize("side", [40, 3000, 6000])
def test_a_tiff_has_a_size_of_a_signed_type(side: int) -> None:
    data = images.tiff_slong(side)
    assert data[:8] == b"II*\0" + struct.pack("<I", 8)
    (count,) = struct.unpack_from("<H", data, 8)
    fields = {}
    for number in range(count):
        tag, kind, _, value = struct.unpack_from("<HHII", data, 10 + 12 * number)
        fields[tag] = (kind, value)
    assert fields[256] == fields[257] == (9, side)
    begin, length = fields[273][1], fields[279][1]
    assert begin + length == len(data) < 10_000 + side * side // 500
    assert not any(zlib.decompress(data[begin:])[:: side + 1])
    assert len(zlib.decompress(data[begin:])) == side * side


def test_a_decoder_takes_that_size() -> None:
    data = np.frombuffer(images.tiff_slong(500), np.uint8)
    decoded = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    assert decoded is not None and decoded.shape[:2] == (500, 500) and not decoded.any()
