"""Post-processing of several networks: a task's own, for each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from training.distillation.teacher.contract import TeacherOutput


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
        """Decode {network: output} to {network: what `plain` gives}.

        What a teacher that is an ONNX file did not read, as no loss looks at it, is left out.
        """
        return {
            name: self.plain(self._picked(predictions[name]), labels)
            for name in self.model_name
            if name in predictions
        }

    def _picked(self, output: Any) -> Any:
        """Return what is decoded of a network's output."""
        if isinstance(output, TeacherOutput):
            return output.decodable()
        return output if self.key is None else output[self.key]
