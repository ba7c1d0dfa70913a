"""Counts and names the images that could not be read, and refuses too many of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from runtime.errors import DatasetError
from training.data.sample import Failure, Sample

MOST_SHARE = 0.1
"""`Global.max_unreadable_share` where a config says nothing."""
_EXAMPLES = 3


@dataclass
class Unreadable:
    """Images that could not be read.

    Args:
        count: how many.
        examples: the reasons of the first few, each with its name.
    """

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, failure: Failure) -> None:
        """Count one image."""
        self.count += 1
        if len(self.examples) < _EXAMPLES and str(failure) not in self.examples:
            self.examples.append(str(failure))

    def add_replaced(self, loaded: Iterable[Sample | Failure]) -> None:
        """Count the images of a batch that were replaced by others."""
        for sample in loaded:
            if isinstance(sample, Sample) and sample.replaced is not None:
                self.add(sample.replaced)

    def describe(self, total: int) -> str:
        """Return a text such as `17 of 19 images could not be read, e.g. ...`."""
        return f"{self.count} of {total} images could not be read, e.g. {'; '.join(self.examples)}"

    def refuse_above(self, share: float, total: int, where: str, rest: str = "") -> None:
        """Refuse a data set of which too much cannot be read.

        Args:
            share: the largest that is accepted, 0 .. 1.
            total: images that were tried, or will be.
            where: for the message, e.g. `epoch 3`.
            rest: end of the message.

        Raises:
            DatasetError: naming some of the images.
        """
        if self.count > share * total:
            raise DatasetError(
                f"{where}: {self.describe(total)}: expected at most {100 * share:g} %; mend or "
                f"remove these files, or raise Global.max_unreadable_share{rest}"
            )

    def as_state(self) -> dict[str, Any]:
        """Return plain values for a checkpoint."""
        return {"count": self.count, "examples": list(self.examples)}

    @staticmethod
    def from_state(state: object) -> Unreadable:
        """Restore what `as_state` gave; anything else counts as nothing."""
        if not isinstance(state, Mapping) or not isinstance(state.get("count"), int):
            return Unreadable()
        examples = state.get("examples")
        texts = [str(example) for example in examples] if isinstance(examples, list) else []
        return Unreadable(max(0, state["count"]), texts[:_EXAMPLES])
