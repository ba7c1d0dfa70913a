"""The polygons of a page's label, and what stands in them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.errors import DatasetError
from training.data.sample import Draw, Sample

UNLABELLED = "null"
"""The label of a page that nobody labelled, where text may be anywhere."""
IS_UNLABELLED = "is_unlabelled"
"""Among a sample's values: true of such a page."""
_IGNORED_TEXTS = frozenset({"*", "###"})
_MOST_POINTS = 1000
_MOST_POLYGONS = 10_000
_FARTHEST_PX = 1e6
_FEWEST_POINTS = 3

Polygons = NDArray[np.floating[Any]]


class NoTextError(DatasetError):
    """A label without a polygon that can be used."""


@dataclass(frozen=True)
class TextPolygons:
    """The labelled texts of an image.

    Args:
        polys: corners (x, y) in px, float [K, P, 2]; those with fewer corners repeat the last.
        texts: of each.
        ignored: whether nothing is to be learnt from each, bool [K].
        num_left_out: polygons of the label that held what is no number.
    """

    polys: Polygons
    texts: tuple[str, ...]
    ignored: NDArray[np.bool_]
    num_left_out: int = 0

    @staticmethod
    def of(sample: Sample) -> TextPolygons:
        """Return what a sample's values hold under PaddleOCR's names."""
        values = sample.values
        return TextPolygons(
            values["polys"], tuple(values["texts"]), np.asarray(values["ignore_tags"], np.bool_)
        )

    def put(self, sample: Sample) -> Sample:
        """Put them into a sample's values: `polys`, `texts`, `ignore_tags`."""
        sample.values |= {
            "polys": self.polys,
            "texts": list(self.texts),
            "ignore_tags": self.ignored,
        }
        return sample

    def moved(self, polys: Polygons) -> TextPolygons:
        """Return the same texts in other places."""
        return replace(self, polys=polys)

    def kept(self, places: Sequence[int] | NDArray[np.integer[Any]]) -> TextPolygons:
        """Return those at some places, in that order."""
        indices = np.asarray(places, dtype=np.int64)
        texts = tuple(self.texts[index] for index in indices)
        return TextPolygons(self.polys[indices], texts, self.ignored[indices])


def stacked_polygons(polygons: Sequence[Any], dtype: type[np.floating[Any]]) -> Polygons:
    """Repeat the last corners of polygons until all have as many: [K, P, 2]."""
    if not polygons:
        return np.zeros((0, 4, 2), dtype=dtype)
    most = max(map(len, polygons))
    rows = [[*points, *[points[-1]] * (most - len(points))] for points in polygons]
    return np.array(rows, dtype=dtype)


class DetLabelEncode:
    """Reads the label of an image: a JSON list of `points` and `transcription`.

    The values are `polys`, `texts` and `ignore_tags`: texts `*` and `###` are ignored. PaddleOCR
    keeps polygons that hold NaN and ignores them; here they are left out. The label `null` says
    that nobody labelled the page: nothing is learnt from it but what a teacher marks on it.

    Source: PaddleOCR `label_ops.DetLabelEncode`.
    """

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Read the label of a sample; raises DatasetError when it is none, or without text."""
        if sample.text.strip() == UNLABELLED:
            sample.values[IS_UNLABELLED] = True
        return read_polygons(sample.text, sample.name).put(sample)


def read_polygons(label: str, name: str) -> TextPolygons:
    """Read a label.

    Args:
        label: JSON; `null`, of a page that nobody labelled, has no polygons.
        name: of the image, for messages.

    Raises:
        NoTextError: if it is an empty list, or no polygon of it can be used.
        DatasetError: if the label is no such list.
    """
    try:
        entries = json.loads(label)
    except (ValueError, RecursionError) as error:
        message = " ".join(str(error).split())
        raise DatasetError(f"{name}: the label is no JSON: {message}") from error
    if entries is None:
        return TextPolygons(stacked_polygons([], np.float32), (), np.zeros(0, np.bool_))
    if not isinstance(entries, list) or len(entries) > _MOST_POLYGONS:
        raise DatasetError(f"{name}: expected a list of up to {_MOST_POLYGONS} texts as label")
    polygons, texts = [], []
    for entry in entries:
        points, text = _read_entry(entry, name)
        if np.isfinite(points).all():
            polygons.append(points)
            texts.append(text)
    if not polygons:
        raise NoTextError(f"{name}: no text in the label")
    ignored = np.array([text in _IGNORED_TEXTS for text in texts], dtype=np.bool_)
    num_left_out = len(entries) - len(polygons)
    stacked = stacked_polygons(polygons, np.float32)
    return TextPolygons(stacked, tuple(texts), ignored, num_left_out)


def _read_entry(entry: Any, name: str) -> tuple[NDArray[np.float32], str]:
    """Return the corners, [P, 2], and the text of one entry of a label."""
    expected = f"{name}: expected points [[x, y], …] and transcription of each text"
    if not isinstance(entry, dict) or not isinstance(entry.get("transcription"), str):
        raise DatasetError(f"{expected}, got {entry!r:.80}")
    try:
        points = np.array(entry.get("points"), dtype=np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise DatasetError(f"{expected}, got {entry!r:.80}") from error
    if points.ndim != 2 or points.shape[1] != 2:
        raise DatasetError(f"{expected}, got {entry!r:.80}")
    if not _FEWEST_POINTS <= len(points) <= _MOST_POINTS:
        raise DatasetError(
            f"{name}: expected {_FEWEST_POINTS} to {_MOST_POINTS} points of each text, "
            f"got {len(points)}"
        )
    if np.abs(points[np.isfinite(points)]).max(initial=0) > _FARTHEST_PX:
        raise DatasetError(f"{name}: a point lies more than {_FARTHEST_PX:g} px away")
    return points, entry["transcription"]
