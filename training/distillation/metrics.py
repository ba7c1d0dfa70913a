"""A metric for each of several networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class MetricOfEach:
    """A metric per network; the main one's figures carry no prefix.

    Args:
        plain: makes the metric of one network.
        key: the main network.
        main_indicator: the figure that chooses the best model.
    """

    def __init__(self, plain: Callable[[], Any], key: str, main_indicator: str) -> None:
        self._plain = plain
        self.key = key
        self.main_indicator = main_indicator
        self.metrics: dict[str, Any] = {}

    def __call__(self, decoded: Mapping[str, Any], batch: Any = None) -> None:
        """Add a batch of {network: what the post-processing gave}."""
        for name, predictions in decoded.items():
            if name not in self.metrics:
                self.metrics[name] = self._plain()
            self.metrics[name](predictions, batch)

    def get_metric(self) -> dict[str, float]:
        """Return figures of every network since the last call, e.g. `acc` and `Teacher_acc`."""
        figures = {}
        for name, metric in self.metrics.items():
            for figure, value in metric.get_metric().items():
                figures[figure if name == self.key else f"{name}_{figure}"] = value
        return figures

    def by_network(self, figures: Mapping[str, float]) -> dict[str, dict[str, float]]:
        """Take the prefixes off again: `Teacher_acc` is `acc` of `Teacher`."""
        found: dict[str, dict[str, float]] = {name: {} for name in self.metrics}
        for figure, value in figures.items():
            for name in self.metrics:
                prefix = "" if name == self.key else f"{name}_"
                if prefix and figure.startswith(prefix):
                    found[name][figure.removeprefix(prefix)] = value
                    break
            else:
                found[self.key][figure] = value
        return found

    def reset(self) -> None:
        """Forget every sample seen."""
        for metric in self.metrics.values():
            metric.reset()
