"""Labels of a batch, for heads that read them to learn."""

from __future__ import annotations

from typing import Any

import paddle

from runtime.errors import ConfigError


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
