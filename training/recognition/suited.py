"""Settings of fine-tuning that suit the number of lines; measured by `benchmarks.fine_tuning`."""

from __future__ import annotations

import math

from training.fine_tuning.suited import Suited

_FEW, _MANY = 300, 2000
"""Lines from which on batches are larger, and from which on statistics may move."""
_LINES_AT, _EPOCHS_AT = 100, 8
_FEWEST_EPOCHS, _MOST_EPOCHS = 3, 12
_SHRINKING = 0.4
"""Epochs fall with lines to this power: ten times the lines are read 0.4 times as often each."""
_RATE, _BATCH_AT = 2e-4, 8
"""8e-4 and 5e-4 read fewer of 100 photographed words after training than before, 2e-4 as many."""
_AUGMENTATION = {
    "tia_prob": 0.2,
    "crop_prob": 0.2,
    "reverse_prob": 0.0,
    "noise_prob": 0.2,
    "jitter_prob": 0.0,
    "blur_prob": 0.2,
    "hsv_aug_prob": 0.2,
}


def suited_to(num_lines: int) -> Suited:
    """Return the settings of fine-tuning on so many lines.

    Few lines are read more often, in small batches, so that there are steps enough; a small batch
    says little of the statistics of BatchNorms, which stay then; augmentation keeps few lines from
    being learnt by heart, and there is less need of it where each is read a few times.
    """
    epochs = round(_EPOCHS_AT * (_LINES_AT / max(1, num_lines)) ** _SHRINKING)
    epochs = min(max(epochs, _FEWEST_EPOCHS), _MOST_EPOCHS)
    batch_size = 8 if num_lines < _FEW else 16 if num_lines < _MANY else 32
    batch_size = max(1, min(batch_size, num_lines))
    share = min(1.0, math.sqrt(_MANY / max(1, num_lines)))
    is_few = num_lines < _MANY
    return Suited(
        num_samples=num_lines,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=round(_RATE * math.sqrt(batch_size / _BATCH_AT), 6),
        anchor=1.0,
        frozen_statistics=is_few,
        augmentation={"RecAug": {name: round(share * p, 3) for name, p in _AUGMENTATION.items()}},
        reason="few lines are read more often, in smaller batches with the statistics kept"
        if is_few
        else "many lines are read a few times each",
    )
