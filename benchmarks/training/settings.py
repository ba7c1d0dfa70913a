"""What one measuring process is told. Needs numpy at most: PyTorch may live without paddle."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

OURS, OURS_FROZEN_TEACHER, PADDLE_SETTINGS = "ours", "ours-frozen-teacher", "paddle+settings"
PADDLE, PYTORCH, PADDLEOCR = "paddle", "pytorch", "paddleocr"
DESCRIPTIONS = {
    OURS: "process settings and fast kernels",
    OURS_FROZEN_TEACHER: "as ours, the Teacher forward only and without a CTC loss",
    PADDLE_SETTINGS: "process settings, paddle's own operations",
    PADDLE: "the same networks, paddle's own operations, paddle as it comes",
    PYTORCH: "the same networks in PyTorch, eager",
    PADDLEOCR: "PaddleOCR's own networks and losses, paddle as it comes",
}
MAX_TEXT_LENGTH = 25
READING, FINDING = "rec", "det"
"""As PaddleOCR's `model_type` names them."""


@dataclass(frozen=True)
class StepSettings:
    """One contender's work.

    Args:
        contender: one of `DESCRIPTIONS`.
        config: path of the PaddleOCR-format config the networks and losses come from.
        batch_size: N.
        width_px: W.
        classes: K, blank included.
        scale: of the backbone's channel counts, in PP-OCRv2's pair.
        hidden_size: of each LSTM direction, there.
        mid_channels: of the head, there.
        pytorch_threads: CPU threads PyTorch is given.
        steps: timed steps.
        warmup: steps before them.
        seed: of images, labels and weights.
        paddleocr: a checkout of PaddleOCR, empty for none.
        height_px: H.
        time_stride_px: columns of the image to a time step.
        task: `READING` or `FINDING`.
        decoder: whose labels the batch has beside CTC's: `sar`, `gtc`, or none if empty.
    """

    contender: str
    config: str
    batch_size: int
    width_px: int
    classes: int
    scale: float
    hidden_size: int
    mid_channels: int
    pytorch_threads: int
    steps: int
    warmup: int
    seed: int = 2021
    paddleocr: str = ""
    height_px: int = 32
    time_stride_px: int = 4
    decoder: str = ""
    task: str = READING

    def apply_process_settings(self) -> str:
        """Set up the process as the contender asks for, before paddle; return what was set."""
        if self.contender not in (OURS, OURS_FROZEN_TEACHER, PADDLE_SETTINGS):
            return "process settings: none"
        from training.process_settings import apply_process_settings

        return apply_process_settings().summary()

    def to_json(self) -> str:
        """Return the settings as one argument of a command."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> StepSettings:
        """Read the settings that `to_json` returned."""
        return cls(**json.loads(text))
