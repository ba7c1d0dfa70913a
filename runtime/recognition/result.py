"""The result of an image, shared by all that produce, write and use results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # boxes and words are computed, and their modules imported, on demand
    from runtime.recognition.alternatives import Alternative
    from runtime.recognition.boxes import Box, Word


@dataclass(frozen=True)
class Recognition:
    """The text of an image, or the reason why it could not be read.

    Args:
        text: the text, empty when nothing was read.
        confidence: mean probability of the characters, 0.0 when nothing was read.
        characters: the characters of `text` in the order of reading, one per class emitted.
        character_confidences: probability of each of `characters`.
        time_steps: first time step (0 .. T-1) at which each of `characters` was emitted.
        last_time_steps: last time step at which it was; empty where only the first is known.
        source: the path or name that was given, None for bytes and arrays.
        width_px, height_px: size of the image, 0 if it could not be read.
        input_width_px: W of the network input, padding included.
        content_width_px: part of W that the image itself fills, 0 if it could not be read.
        num_time_steps: T, 0 if it could not be read.
        error: why the image could not be read, None if it could.
        warnings: of what was left out, or may have impaired the text.
        alternatives: the most probable texts, the best first; empty unless asked for.
    """

    text: str
    confidence: float
    characters: tuple[str, ...] = ()
    character_confidences: tuple[float, ...] = ()
    time_steps: tuple[int, ...] = ()
    source: str | None = None
    width_px: int = 0
    height_px: int = 0
    input_width_px: int = 0
    content_width_px: int = 0
    num_time_steps: int = 0
    error: str | None = None
    warnings: tuple[str, ...] = ()
    last_time_steps: tuple[int, ...] = ()
    alternatives: tuple[Alternative, ...] = ()

    @property
    def character_boxes(self) -> tuple[Box, ...]:
        """Box of each of `characters`, in px of the image."""
        if not self.time_steps:
            return ()
        from runtime.recognition.boxes import character_boxes

        spans = zip(self.time_steps, self.last_time_steps or self.time_steps, strict=True)
        middles = [(first + last) / 2 for first, last in spans]
        input_px_per_time_step = self.input_width_px / self.num_time_steps
        px_per_time_step = input_px_per_time_step * self.width_px / self.content_width_px
        return character_boxes(middles, px_per_time_step, self.width_px, self.height_px)

    @property
    def words(self) -> tuple[Word, ...]:
        """Words in the order of reading, with confidences and boxes."""
        from runtime.recognition.boxes import group_words

        return group_words(self.characters, self.character_confidences, self.character_boxes)
