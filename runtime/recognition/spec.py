"""What a recogniser expects and emits, written into the model file itself.

The ONNX metadata carries it under `recognizer_spec` as JSON, and the characters once more under
`character` in the form that RapidOCR and PaddleOCR readers look for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from runtime.errors import ArtifactError
from runtime.fields import (
    Field,
    check_fields,
    choice,
    is_unicode,
    mapping,
    number,
    shown,
    whole,
)
from runtime.recognition.charset import (
    BLANK_INDEX,
    MAX_CHARACTER_LENGTH,
    MAX_CHARACTERS,
    SPACE,
    Charset,
)
from runtime.spec import MODEL_FIELDS, REMEDY, ModelSpec

SPEC_KEY = "recognizer_spec"
CHARACTER_KEY = "character"

BILINEAR, AREA = "bilinear", "area"
INTERPOLATIONS = (BILINEAR, AREA)
"""How lines are brought to the network's height; `runtime.recognition.preprocess.resize_to`."""

MAX_HEIGHT_PX, MAX_WIDTH_PX = 1024, 65_536
"""Far above any recogniser's: what a file says beyond it would only cost memory."""


def _are_characters(value: Any) -> bool:
    return (
        isinstance(value, tuple)
        and 0 < len(value) <= MAX_CHARACTERS
        and all(isinstance(character, str) for character in value)
        and max(map(len, value)) <= MAX_CHARACTER_LENGTH
        and is_unicode("".join(value))
    )


_WIDTH_FIELDS = {name: whole(1, MAX_WIDTH_PX) for name in ("step_px", "min_px", "max_px")}
_SPEC_FIELDS = {
    "characters": Field(
        f"a list of 1 to {MAX_CHARACTERS} characters, each a text of up to "
        f"{MAX_CHARACTER_LENGTH} code points",
        _are_characters,
    ),
    "height": whole(1, MAX_HEIGHT_PX),
    "channels": choice(1, 3),
    "color_order": choice("BGR", "RGB"),
    "mean": number(-1e6, 1e6),
    "std": number(1e-6, 1e6),
    "blank_index": choice(BLANK_INDEX),
    "output_activation": choice("softmax", "none"),
    "resize": choice(*INTERPOLATIONS),
    **MODEL_FIELDS,
}
_LISTED_FIELDS = {
    "width": mapping(),
    "characters": Field("a list of characters", lambda value: isinstance(value, list)),
}
"""What JSON must hold before it can be made a spec; the rest has defaults."""


@dataclass(frozen=True)
class WidthPolicy:
    """How the input width W follows from one image, and from nothing else.

    Args:
        step_px: widths are rounded up to a multiple of this.
        min_px: no input is narrower.
        max_px: no input is wider; a longer line is squeezed into it.
    """

    step_px: int = 32
    min_px: int = 32
    max_px: int = 3200

    def __post_init__(self) -> None:
        check_fields(vars(self), _WIDTH_FIELDS, "impossible width policy", REMEDY)
        if self.min_px > self.max_px:
            raise ArtifactError(
                f"impossible width policy: expected min_px <= max_px, got {self.min_px} and "
                f"{self.max_px}; {REMEDY}"
            )

    def content_width(self, image_height: int, image_width: int, height: int) -> int:
        """Width in px of the line after resizing to `height`, never above `max_px`.

        `ceil(height * (w / h))`, the very expression of PaddleOCR.
        """
        return max(1, min(math.ceil(height * (image_width / float(image_height))), self.max_px))

    def input_width(self, content_width: int) -> int:
        """Width in px of the padded network input for a line of `content_width` px."""
        stepped = math.ceil(max(content_width, self.min_px) / self.step_px) * self.step_px
        return min(stepped, self.max_px)


@dataclass(frozen=True)
class RecognizerSpec(ModelSpec):
    """Contract between a recogniser and whoever feeds it.

    Dimension letters: N batch, C channels, H height, W width, T time steps, K classes. The input
    is float32 [N, C, H, W]; the output float32 [N, T, K].

    Args:
        characters: characters of classes 1 .. K-1.
        height: H in px.
        channels: C.
        color_order: `BGR` or `RGB`.
        mean, std: normalisation `(x / 255 - mean) / std`, the same for every channel.
        width: the width policy; padding on the right is 0.0 after normalising.
        output_activation: `softmax` when the network emits probabilities, `none` for logits.
        resize: one of `INTERPOLATIONS`; what a file without it means is bilinear, as in PaddleOCR.
    """

    task: ClassVar[str] = "rec"
    title: ClassVar[str] = "recogniser"
    key: ClassVar[str] = SPEC_KEY
    dimensions: ClassVar[tuple[str, str]] = ("NCHW", "NTK")
    fields: ClassVar = _SPEC_FIELDS

    characters: tuple[str, ...]
    height: int = 32
    channels: int = 3
    output_name: str = field(default="probabilities", kw_only=True)
    color_order: str = "BGR"
    mean: float = 0.5
    std: float = 0.5
    width: WidthPolicy = WidthPolicy()
    blank_index: int = BLANK_INDEX
    output_activation: str = "softmax"
    resize: str = BILINEAR

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.width, WidthPolicy):
            raise ArtifactError(
                f"the recogniser spec is unusable: width: expected a width policy, got "
                f"{shown(self.width)}; {REMEDY}"
            )

    @property
    def input_sizes(self) -> tuple[int | None, ...]:
        """C, H, and W where the width policy leaves no choice."""
        policy = self.width
        width = policy.max_px if policy.min_px == policy.max_px else None
        return self.channels, self.height, width

    @cached_property
    def charset(self) -> Charset:
        """The characters as a `Charset`, made once: there may be tens of thousands."""
        return Charset(self.characters)

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.characters) + 1

    @property
    def listed_characters(self) -> tuple[str, ...]:
        """The characters as a PaddleOCR dictionary lists them: without a closing space."""
        return self.characters[:-1] if self.characters[-1] == SPACE else self.characters

    def to_metadata(self) -> dict[str, str]:
        """Return the spec's entry, and the characters as others look for them."""
        return {**super().to_metadata(), CHARACTER_KEY: "\n".join(self.listed_characters)}

    @classmethod
    def _from_json(cls, known: dict[str, Any], damaged: str) -> dict[str, Any]:
        check_fields(known, _LISTED_FIELDS, damaged, REMEDY)
        sizes = {name: known["width"].get(name) for name in _WIDTH_FIELDS}
        return {
            **known,
            "width": WidthPolicy(**sizes),
            "characters": tuple(known["characters"]),
        }
