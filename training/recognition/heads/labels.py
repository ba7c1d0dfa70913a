"""Labels of a batch, for heads that read them to learn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import paddle

from runtime.errors import ConfigError

LABELS: Mapping[str, tuple[str, ...]] = {
    "ctc": ("label_ctc",),
    "sar": ("label_sar", "label_gtc"),
    "gtc": ("label_gtc",),
}
"""Where in the batch each output of a MultiHead has its labels; PaddleOCR takes them by place, and
its names for those of SAR are two."""


def has_labels(batch: Any, output: str) -> bool:
    """Tell whether a batch has the labels of an output: `ctc`, `sar` or `gtc`."""
    return batch is not None and any(name in batch for name in LABELS[output])


def labels_of_decoder(batch: Any, output: str, head: str) -> paddle.Tensor:
    """Return the labels of an output; raises ConfigError as `label_of` if there are none."""
    names = LABELS[output]
    found = next((name for name in names if batch is not None and name in batch), names[0])
    return label_of(batch, found, head)


def label_of(batch: Any, name: str, head: str) -> paddle.Tensor:
    """Return an array of the batch that a head learns from.

    Args:
        batch: mapping of tensors by PaddleOCR's names, or None.
        name: of the array, e.g. `label_sar`.
        head: its name, for the message.

    Raises:
        ConfigError: the batch has no such array.
    """
    if batch is None or name not in batch:
        raise ConfigError(
            f"{head} learns with the labels and does not read without them: expected {name} in "
            f"the batch, got {sorted(batch or ())}; add it to KeepKeys' keep_keys"
        )
    return batch[name]
