"""Accuracy and edit distance, with PaddleOCR's names and arithmetic."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

from rapidfuzz.distance import Levenshtein

from training.recognition.decode import Decoded
from training.registry import Registry

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
            text = "".join(one for one in text if one in _ALPHANUMERICS).lower()
        return text

    def __call__(self, decoded: Decoded, batch: Any = None) -> dict[str, float]:
        """Add a batch of (predictions, labels); returns the figures of this batch alone."""
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
        """`acc` and `norm_edit_dis` of all lines since the last call, then start again."""
        count = self.num_lines + _EPSILON
        figures = {
            "acc": self.num_correct / count,
            "norm_edit_dis": 1 - self.edit_distance / count,
        }
        self.reset()
        return figures


METRICS = Registry("metric", {"RecMetric": RecMetric})


class DistillationMetric:
    """A metric per network; the main one's figures carry no prefix.

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
        self.key = key
        self.main_indicator = main_indicator
        self._base_metric_name = base_metric_name
        self._options = {
            "main_indicator": main_indicator,
            "is_filter": is_filter,
            "ignore_space": ignore_space,
        }
        self.metrics: dict[str, RecMetric] = {}

    def __call__(self, decoded: Mapping[str, Decoded], batch: Any = None) -> None:
        """Add a batch of {network: (predictions, labels)}."""
        for name, lines in decoded.items():
            if name not in self.metrics:
                self.metrics[name] = METRICS.build_options(
                    self._base_metric_name, self._options, "Metric"
                )
            self.metrics[name](lines)

    def get_metric(self) -> dict[str, float]:
        """Figures of every network since the last call, e.g. `acc` and `Teacher_acc`."""
        figures = {}
        for name, metric in self.metrics.items():
            for figure, value in metric.get_metric().items():
                figures[figure if name == self.key else f"{name}_{figure}"] = value
        return figures

    def reset(self) -> None:
        """Forget every line seen."""
        for metric in self.metrics.values():
            metric.reset()


ALL_METRICS = Registry("metric", {**METRICS.builders, "DistillationMetric": DistillationMetric})


def build_metric(config: Mapping[str, Any]) -> RecMetric | DistillationMetric:
    """Build the `Metric` section; the section is left as it is.

    Raises:
        ConfigError: naming every problem.
    """
    built: RecMetric | DistillationMetric = ALL_METRICS.build(config, "Metric")
    return built
