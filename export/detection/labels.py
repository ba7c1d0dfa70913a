"""PaddleOCR's label files of pages, as readings in px of the network's input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from export.detection.readings import PageReading
from runtime.detection.preprocess import Sizes
from runtime.errors import ArtifactError, OcrError
from runtime.images.read import read_image


def pages_labelled(labels: Path) -> list[str]:
    """Return the paths of a label file's images.

    They are relative to the file's folder, or one above it.

    Raises:
        ArtifactError: if the file cannot be read.
    """
    return list(labels_by_path(labels))


def readings_of_labels(
    labels: Path, names: Sequence[str], sizes: Sizes
) -> list[PageReading | None]:
    """Return the labelled boxes of images, in px of the input that `sizes` makes of each.

    Args:
        labels: lines of a path and a JSON list of `points` and `transcription`, a tab between.
        names: paths of the images.
        sizes: tells the input sizes.

    Returns:
        one reading for each name, None where there is no label.

    Raises:
        ArtifactError: if the file cannot be read.
        DatasetError: if a label is damaged.
        OcrError: if what reads labels is not installed.
    """
    from training.detection.labels import read_polygons

    by_path = {str(Path(path).resolve()): text for path, text in labels_by_path(labels).items()}
    readings: list[PageReading | None] = []
    for name in names:
        text = by_path.get(str(Path(name).resolve()))
        if text is None:
            readings.append(None)
            continue
        polygons = read_polygons(text, name)
        height, width = read_image(name).shape[:2]
        input_height, input_width = sizes.input_size(height, width)
        ratios = np.array([input_width / width, input_height / height])
        readings.append(PageReading.of(polygons.polys * ratios, polygons.ignored.tolist()))
    return readings


def accuracy_of(readings: Sequence[PageReading], truth: Sequence[PageReading]) -> dict[str, float]:
    """Return precision, recall and hmean over all pages, as PaddleOCR counts them.

    Raises:
        OcrError: if what counts is not installed.
    """
    try:
        from training.detection.metrics import Counts, count_matches
    except ImportError as error:
        raise OcrError(
            f"accuracy cannot be told here ({error}): pip install 'distilrec[train]'"
        ) from error
    counts = [
        count_matches(reading.polygons, page.polygons, page.ignored)
        for reading, page in zip(readings, truth, strict=True)
    ]
    return sum(counts, start=Counts()).figures()


def labels_by_path(labels: Path) -> Mapping[str, str]:
    """Return the label of each image, JSON, by its path.

    Paths are relative to the file's folder, or one above it.

    Raises:
        ArtifactError: if the file cannot be read.
    """
    try:
        rows = labels.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(
            f"cannot read {labels}: {' '.join(str(error).split())}; give a PaddleOCR label file "
            "(--labels)"
        ) from error
    named = dict(row.split("\t", 1) for row in rows if "\t" in row)
    first = next(iter(named), "")
    folders = (folder for folder in labels.resolve().parents if (folder / first).is_file())
    folder = next(folders, labels.parent)
    return {str(folder / name): text for name, text in named.items()}
