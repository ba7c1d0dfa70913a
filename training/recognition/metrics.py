"""Accuracy and edit distance, with PaddleOCR's names and arithmetic."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

from rapidfuzz.distance import Levenshtein

from training.distillation.metrics import MetricOfEach
from training.recognition.decode import Decoded
from training.registry import Registry, unknown_name

_EPSILON = 1e-5
_ALPHANUMERICS = frozenset(string.digits + string.ascii_letters)


class RecMetric:
    """Share of lines read exactly, and 1 minus the mean normalised edit distance.

    Args:
        main_indicator: the figure that chooses the best model.
        is_filter: compare letters and digits alone, in lower case.
        ignore_space: compare without spaces.

    Source: PaddleOCR `rec_metric`, whose sums are divided by n + 1e-5.
    """

    def __init__(
        self, main_indicator: str = "acc", is_filter: bool = False, ignore_space: bool = True
    ) -> None:
        self.main_indicator = main_indicator
        self.is_filter = is_filter
        self.ignore_space = ignore_space
        self.reset()

    def reset(self) -> None:
        """Forget every line seen."""
        self.num_lines = 0
        self.num_correct = 0
        self.edit_distance = 0.0

    def _normalized(self, text: str) -> str:
        if self.ignore_space:
            text = text.replace(" ", "")
        if self.is_filter:
            text = "".join(character for character in text if character in _ALPHANUMERICS).lower()
        return text

    def __call__(self, decoded: Decoded, batch: Any = None) -> dict[str, float]:
        """Add a batch of (predictions, labels); return the figures of this batch alone."""
        batch_metric = RecMetric(self.main_indicator, self.is_filter, self.ignore_space)
        for (prediction, _), (label, _) in zip(*decoded, strict=True):
            prediction, label = self._normalized(prediction), self._normalized(label)
            batch_metric.num_lines += 1
            batch_metric.num_correct += prediction == label
            batch_metric.edit_distance += Levenshtein.normalized_distance(prediction, label)
        self.num_lines += batch_metric.num_lines
        self.num_correct += batch_metric.num_correct
        self.edit_distance += batch_metric.edit_distance
        return batch_metric.get_metric()

    def get_metric(self) -> dict[str, float]:
        """Return `acc` and `norm_edit_dis` of all lines since the last call, and start again."""
        count = self.num_lines + _EPSILON
        figures = {
            "acc": self.num_correct / count,
            "norm_edit_dis": 1 - self.edit_distance / count,
        }
        self.reset()
        return figures

    def by_network(self, figures: Mapping[str, float]) -> dict[str, dict[str, float]]:
        """Return the figures under the name of the only network there is."""
        return {"network": dict(figures)}


_PLAIN = {"RecMetric": RecMetric}


class DistillationMetric(MetricOfEach):
    """`RecMetric` of each network; the main one's figures carry no prefix.

    Args:
        key: the main network.
        base_metric_name: the metric of each network.
        main_indicator: the figure that chooses the best model.
        is_filter, ignore_space: as `RecMetric`.
    """

    def __init__(
        self,
        key: str,
        base_metric_name: str = "RecMetric",
        main_indicator: str = "acc",
        is_filter: bool = False,
        ignore_space: bool = True,
    ) -> None:
        plain = _PLAIN[base_metric_name]
        super().__init__(
            lambda: plain(main_indicator, is_filter, ignore_space), key, main_indicator
        )

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report a metric that does not exist."""
        base = options.get("base_metric_name", "RecMetric")
        if base in _PLAIN:
            return []
        return [("base_metric_name", unknown_name("metric", base, _PLAIN))]


METRICS = Registry("metric", {**_PLAIN, "DistillationMetric": DistillationMetric})
