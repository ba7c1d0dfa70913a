"""Pages and what stands in them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.detection.labels import labels_by_path
from runtime.errors import DatasetError
from training.detection.labels import read_polygons

_HIGHER = 0.5
_FEW = 0.02


@dataclass(frozen=True)
class LabelledPage:
    """A page with its label.

    Args:
        path: of the image file.
        polygons: corners (x, y) in px of each text, float32 [P, 2].
        texts: of each.
        ignored: whether each is to be passed over.
    """

    path: str
    polygons: tuple[NDArray[np.float32], ...]
    texts: tuple[str, ...]
    ignored: tuple[bool, ...]

    @property
    def goes_down(self) -> bool:
        """Tell whether the label goes down an upright page row by row, as tables are read.

        Some labels go through a table column by column, so that what follows a text stands higher.
        """
        tops = [float(points[:, 1].min()) for points in self.polygons]
        heights = [float(np.ptp(points[:, 1])) for points in self.polygons]
        middles = np.add(tops, np.divide(heights, 2))
        lower = np.minimum(heights[1:], heights[:-1])
        return float(np.sum(np.diff(middles) < -_HIGHER * lower)) <= _FEW * len(tops)


def labelled_pages(labels: Path, count: int | None = None) -> list[LabelledPage]:
    """Read the first pages of PaddleOCR's label file of detection.

    Args:
        labels: `path<TAB>[{"transcription": …, "points": …}, …]`, paths relative to its folder.
        count: at most; all when None.

    Raises:
        ArtifactError: if the file cannot be read.
        DatasetError: if a label is damaged, an image is missing, or there is none.
    """
    pages = []
    for path, text in islice(labels_by_path(labels).items(), count):
        read = read_polygons(text, path)
        if not Path(path).is_file():
            raise DatasetError(f"{labels} names {path}, which is no file; check the paths")
        # Corners that only fill up the array are those of the file again.
        corners = [np.array(entry["points"], np.float32) for entry in json.loads(text)]
        finite = tuple(points for points in corners if np.isfinite(points).all())
        full = str(Path(path).resolve())
        pages.append(LabelledPage(full, finite, read.texts, tuple(read.ignored.tolist())))
    if not pages:
        raise DatasetError(f"{labels} holds no page; expected lines of a path, a tab and JSON")
    return pages
