"""Precision, recall and their harmonic mean of boxes, with PaddleOCR's names and arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from runtime.detection.boxes import Boxes
from training.distillation.metrics import MetricOfEach
from training.registry import Registry, unknown_name

_MATCHING_IOU = 0.5
_IGNORED_SHARE = 0.5
Shapes = NDArray[np.object_]


@dataclass(frozen=True)
class Counts:
    """What counts of one image or more.

    Args:
        truths: boxes that are to be found.
        detections: boxes that were found, without those on ignored text.
        matches: pairs of the two.
    """

    truths: int = 0
    detections: int = 0
    matches: int = 0

    def __add__(self, more: Counts) -> Counts:
        return Counts(
            self.truths + more.truths,
            self.detections + more.detections,
            self.matches + more.matches,
        )

    def figures(self) -> dict[str, float]:
        """Return `precision`, `recall` and `hmean`; each is 0 where nothing counts."""
        recall = self.matches / self.truths if self.truths else 0.0
        precision = self.matches / self.detections if self.detections else 0.0
        total = precision + recall
        hmean = 2 * recall * precision / total if total else 0.0
        return {"precision": precision, "recall": recall, "hmean": hmean}


class Matches(NamedTuple):
    """The boxes of an image beside its labels.

    Args:
        pairs: places of each label that was found and of its box, in the labels' order.
        missed: places of the labels that were not found.
        extra: places of the boxes that count and match no label.
    """

    pairs: list[tuple[int, int]]
    missed: list[int]
    extra: list[int]

    def counts(self) -> Counts:
        """Return how many there are: boxes on ignored text count in nothing."""
        found = len(self.pairs)
        return Counts(found + len(self.missed), found + len(self.extra), found)


def count_matches(detected: Sequence[Any], truths: Sequence[Any], ignored: Sequence[Any]) -> Counts:
    """Count what `match_boxes` matches."""
    return match_boxes(detected, truths, ignored).counts()


def match_boxes(detected: Sequence[Any], truths: Sequence[Any], ignored: Sequence[Any]) -> Matches:
    """Match the boxes of an image with its labels, greedily in the labels' order.

    A detection matches a label if the intersection over union is above 0.5. It does not count if
    more than half of it lies on an ignored label. Polygons that cross themselves are passed over,
    labels and detections alike.

    Args:
        detected: corners (x, y) in px, [P, 2] each.
        truths: corners of the labels, [P, 2] each.
        ignored: whether each label is ignored.

    Source: PaddleOCR `eval_det_iou`, after ICDAR 2015's evaluation.
    """
    found, found_places = _valid(detected)
    labels, places = _valid(truths)
    is_ignored = np.array([bool(ignored[place]) for place in places], dtype=np.bool_)
    is_counted = ~_lies_on(found, labels[is_ignored])
    counted, wanted = found[is_counted], labels[~is_ignored]
    counted_places = np.array(found_places, dtype=np.intp)[is_counted]
    wanted_places = np.array(places, dtype=np.intp)[~is_ignored]
    is_free = np.ones(len(counted), dtype=np.bool_)
    pairs: list[tuple[int, int]] = []
    for place, row in zip(wanted_places.tolist(), _ious(wanted, counted), strict=True):
        hits = np.flatnonzero((row > _MATCHING_IOU) & is_free)[:1]
        is_free[hits] = False
        pairs += ((place, found_place) for found_place in counted_places[hits].tolist())
    is_found = np.isin(wanted_places, [place for place, _ in pairs])
    return Matches(
        pairs,
        missed=wanted_places[~is_found].tolist(),
        extra=counted_places[is_free].tolist(),
    )


def _valid(polygons: Sequence[Any]) -> tuple[Shapes, list[int]]:
    """Return the polygons that do not cross themselves, and their places in the sequence."""
    shapes, places = [], []
    for place, points in enumerate(polygons):
        try:
            shape = shapely.Polygon(np.asarray(points, dtype=np.float64))
        except (ValueError, shapely.errors.GEOSException):  # too few points, or no numbers
            continue
        if shape.is_valid and not shape.is_empty:
            shapes.append(shape)
            places.append(place)
    found = np.empty(len(shapes), dtype=object)
    found[:] = shapes
    return found, places


def overlapping(first: Shapes, second: Shapes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and columns of the pairs whose bounding boxes overlap."""
    a, b = shapely.bounds(first)[:, np.newaxis], shapely.bounds(second)[np.newaxis]
    is_near = (np.maximum(a[..., :2], b[..., :2]) <= np.minimum(a[..., 2:], b[..., 2:])).all(-1)
    rows, columns = np.nonzero(is_near)
    return rows, columns


def _ious(first: Shapes, second: Shapes) -> NDArray[np.float64]:
    """Return the intersection over union of each pair, [len(first), len(second)]."""
    ious = np.zeros((len(first), len(second)))
    rows, columns = overlapping(first, second)
    a, b = first[rows], second[columns]
    unions = shapely.area(shapely.union(a, b))
    shared = shapely.area(shapely.intersection(a, b))
    ious[rows, columns] = np.divide(shared, unions, out=np.zeros_like(shared), where=unions > 0)
    return ious


def _lies_on(shapes: Shapes, ignored: Shapes) -> NDArray[np.bool_]:
    """Tell of each shape whether more than half of it lies on one ignored label."""
    lies = np.zeros(len(shapes), dtype=np.bool_)
    rows, columns = overlapping(shapes, ignored)
    areas = shapely.area(shapes[rows])
    shared = shapely.area(shapely.intersection(shapes[rows], ignored[columns]))
    share = np.divide(shared, areas, out=np.zeros_like(shared), where=areas > 0)
    lies[rows[share > _IGNORED_SHARE]] = True
    return lies


class DetMetric:
    """Precision, recall and hmean of boxes over all images.

    Args:
        main_indicator: the figure that chooses the best model.

    Source: PaddleOCR `det_metric`, `eval_det_iou`.
    """

    def __init__(self, main_indicator: str = "hmean") -> None:
        self.main_indicator = main_indicator
        self.reset()

    def reset(self) -> None:
        """Forget every image seen."""
        self.counts = Counts()

    def __call__(self, predictions: Sequence[Boxes], batch: Mapping[str, Any]) -> None:
        """Add a batch.

        Args:
            predictions: the boxes of each image.
            batch: `polys`, corners (x, y) in px [K, P, 2] of each image's labels, and
                `ignore_tags`, bool [K] of each.
        """
        for boxes, polys, tags in zip(
            predictions, batch["polys"], batch["ignore_tags"], strict=True
        ):
            self.counts += count_matches(boxes.points, polys, tags)

    def get_metric(self) -> dict[str, float]:
        """Return the figures of all images since the last call, and start again."""
        figures = self.counts.figures()
        self.reset()
        return figures

    def by_network(self, figures: Mapping[str, float]) -> dict[str, dict[str, float]]:
        """Return the figures under the name of the only network there is."""
        return {"network": dict(figures)}


_PLAIN = {"DetMetric": DetMetric}


class DistillationMetric(MetricOfEach):
    """`DetMetric` of each network; the main one's figures carry no prefix.

    Args:
        key: the main network.
        base_metric_name: the metric of each network.
        main_indicator: the figure that chooses the best model.
    """

    def __init__(
        self, key: str, base_metric_name: str = "DetMetric", main_indicator: str = "hmean"
    ) -> None:
        plain = _PLAIN[base_metric_name]
        super().__init__(lambda: plain(main_indicator), key, main_indicator)

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report a metric that does not exist."""
        base = options.get("base_metric_name", "DetMetric")
        if base in _PLAIN:
            return []
        return [("base_metric_name", unknown_name("metric", base, _PLAIN))]


METRICS = Registry("metric", {**_PLAIN, "DistillationMetric": DistillationMetric})
