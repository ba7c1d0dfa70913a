"""The same random images, labels and first weights for every contender, whatever its framework."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.training.settings import FINDING, MAX_TEXT_LENGTH, StepSettings

MAPS = ("threshold_map", "threshold_mask", "shrink_map", "shrink_mask")
"""Labels of a page, in the order in which PaddleOCR's losses take them."""
_LINE_PX = 24
_THRESHOLDS = 0.3, 0.7


@dataclass(frozen=True)
class Inputs:
    """One batch.

    Args:
        arrays: by the names that losses know: `image` float32 [N, 3, H, W]; of lines `label` int64
            [N, L], padded with 0, and `length` int64 [N]; of pages the labels of `MAPS`, float32
            [N, H, W].
    """

    arrays: Mapping[str, NDArray[Any]]

    @property
    def sha256(self) -> str:
        """Of shapes and values."""
        digest = hashlib.sha256()
        for array in self.arrays.values():
            kind = np.float32 if np.issubdtype(array.dtype, np.floating) else np.int64
            digest.update(str(array.shape).encode())
            digest.update(np.ascontiguousarray(array, dtype=kind).tobytes())
        return digest.hexdigest()


def random_inputs(settings: StepSettings) -> Inputs:
    """Draw images of noise, and texts that CTC can spell in their width, or where lines are."""
    rng = np.random.default_rng(settings.seed)
    size = settings.batch_size
    shape = (size, 3, settings.height_px, settings.width_px)
    images = rng.uniform(-1.0, 1.0, shape).astype(np.float32)
    if settings.task == FINDING:
        return Inputs({"image": images, **_random_maps(rng, settings)})
    # A label with every character repeated needs twice as many time steps, less one.
    longest = MAX_TEXT_LENGTH - 2 if settings.decoder else MAX_TEXT_LENGTH
    most = max(1, min(longest, settings.width_px // settings.time_stride_px // 2))
    lengths = rng.integers(min(5, most), most + 1, size).astype(np.int64)
    labels = rng.integers(1, settings.classes, (size, most)).astype(np.int64)
    labels[np.arange(most)[None, :] >= lengths[:, None]] = 0
    return Inputs({"image": images, "label": labels, "length": lengths})


def _random_maps(rng: np.random.Generator, settings: StepSettings) -> dict[str, NDArray[Any]]:
    """Draw level lines of text, a fifth of a page's pixels, with borders that fade."""
    shape = settings.batch_size, settings.height_px, settings.width_px
    maps = {name: np.zeros(shape, np.float32) for name in MAPS}
    maps["threshold_map"] += _THRESHOLDS[0]
    maps["shrink_mask"] += 1.0
    for page in range(settings.batch_size):
        for top in range(_LINE_PX, settings.height_px - _LINE_PX, 2 * _LINE_PX):
            left, right = np.sort(rng.integers(0, settings.width_px, 2))
            box = page, slice(top, top + _LINE_PX), slice(left, right)
            inner = page, slice(top + 4, top + _LINE_PX - 4), slice(left + 4, max(left, right - 4))
            maps["threshold_mask"][box], maps["threshold_map"][box] = 1.0, _THRESHOLDS[1]
            maps["threshold_map"][inner] = _THRESHOLDS[0]
            maps["shrink_map"][inner] = 1.0
    return maps


def labels_of_decoder(inputs: Inputs, decoder: str, classes: int) -> NDArray[np.int64]:
    """Return the labels of a batch as SAR's or NRTR's decoder takes them, int64 [N, L].

    Args:
        inputs: the batch, whose labels are CTC's.
        decoder: `sar`, which counts characters from 0 and begins and ends with K, or `gtc`, which
            counts them from 4 on, begins with 2 and ends with 3.
        classes: K of CTC.
    """
    # Of CTC's classes, where characters begin with 1.
    shift, first, last, padding = {
        "sar": (-1, classes, classes, classes + 1),
        "gtc": (3, 2, 3, 0),
    }[decoder]
    of_ctc, lengths = inputs.arrays["label"], inputs.arrays["length"]
    labels = np.full((len(of_ctc), MAX_TEXT_LENGTH), padding, np.int64)
    labels[:, 0] = first
    for row, label, length in zip(labels, of_ctc, lengths, strict=True):
        row[1 : length + 1] = label[:length] + shift
        row[length + 1] = last
    return labels


def first_weight(name: str, shape: Sequence[int], seed: int) -> NDArray[np.float32]:
    """Draw weights that depend on nothing but name, shape and seed.

    So the first loss of every contender is the same number, if their networks are the same.

    Args:
        name: of the parameter, PaddleOCR's.
        shape: of a convolution [out, in, h, w], of a linear layer [in, out], of an LSTM's matrix
            [4 hidden, in], of a vector [C].
        seed: of all of them.
    """
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    if len(shape) == 1:
        is_scale = name.endswith(("weight", "_variance", "scale"))
        return np.full(shape, 1.0 if is_scale else 0.0, np.float32)
    if len(shape) == 4:
        deviation = np.sqrt(2.0 / np.prod(shape[1:]))
        return (deviation * rng.standard_normal(tuple(shape))).astype(np.float32)
    fan_in = shape[0] // 4 if "lstm" in name else shape[0]
    bound = 1.0 / np.sqrt(fan_in)
    return rng.uniform(-bound, bound, tuple(shape)).astype(np.float32)
