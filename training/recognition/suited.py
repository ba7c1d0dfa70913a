"""Settings of fine-tuning that suit the number of lines; measured by `benchmarks.fine_tuning`."""

from __future__ import annotations

import math

from training.fine_tuning.suited import Suited

_FEW, _SOME = 200, 2000
_LINES_AT, _EPOCHS_AT = 100, 12
_FEWEST_EPOCHS, _MOST_EPOCHS = 3, 20
_SHRINKING = 0.4
"""Epochs fall with lines to this power: ten times the lines are read 0.4 times as often each."""
_RATE = 5e-4
_AUGMENTATION = {
    "tia_prob": 0.3,
    "crop_prob": 0.3,
    "reverse_prob": 0.05,
    "noise_prob": 0.3,
    "jitter_prob": 0.3,
    "blur_prob": 0.3,
    "hsv_aug_prob": 0.3,
}


def suited_to(num_lines: int) -> Suited:
    """Return the settings of fine-tuning on so many lines.

    Few lines are read more often, in small batches, so that there are steps enough; the Teacher
    holds the Student less the more there is to learn from; augmentation keeps few lines from being
    learnt by heart, and there is no need of it where each is read a few times.
    """
    epochs = round(_EPOCHS_AT * (_LINES_AT / max(1, num_lines)) ** _SHRINKING)
    epochs = min(max(epochs, _FEWEST_EPOCHS), _MOST_EPOCHS)
    batch_size = 8 if num_lines < _FEW else 16 if num_lines < _SOME else 32
    batch_size = max(1, min(batch_size, num_lines))
    share = min(1.0, math.sqrt(_SOME / max(1, num_lines)))
    return Suited(
        num_samples=num_lines,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=_RATE,
        anchor=1.0,
        augmentation={"RecAug": {name: round(share * p, 3) for name, p in _AUGMENTATION.items()}},
        reason="few lines are read more often, in smaller batches and changed more",
    )
