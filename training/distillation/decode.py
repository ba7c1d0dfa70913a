"""Post-processing of several networks: a task's own, for each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any


class DistillationPostProcess:
    """Decodes the output of every listed network.

    Args:
        plain: decodes one network's output.
        model_name: the networks.
        key: which output of a network to decode, None for the output itself.
    """

    def __init__(
        self, plain: Callable[..., Any], model_name: Sequence[str] | str, key: str | None = None
    ) -> None:
        self.plain = plain
        self.model_name = [model_name] if isinstance(model_name, str) else list(model_name)
        self.key = key

    def __call__(self, predictions: Mapping[str, Any], labels: Any = None) -> dict[str, Any]:
        """Decode {network: output} to {network: what `plain` gives}."""
        return {
            name: self.plain(
                predictions[name] if self.key is None else predictions[name][self.key], labels
            )
            for name in self.model_name
        }
