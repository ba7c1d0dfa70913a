"""What a recogniser expects and emits, written into the model file itself.

The ONNX metadata carries it under `recognizer_spec` as JSON, and the characters once more under
`character` in the form that RapidOCR and PaddleOCR readers look for.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any

from runtime.charset import BLANK_INDEX, SPACE, Charset
from runtime.errors import ArtifactError

FORMAT_VERSION = 1
SPEC_KEY = "recognizer_spec"
CHARACTER_KEY = "character"


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
        if not 0 < self.min_px <= self.max_px or self.step_px <= 0:
            raise ArtifactError(
                f"impossible width policy: expected 0 < min <= max and a positive step, got {self}"
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
class RecognizerSpec:
    """Contract between a model file and whoever feeds it.

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
        weights_sha256: hash of the weights the model was made from, empty if unknown.
        config_sha256: hash of the configuration, empty if unknown.
        network: name of the network inside its checkpoint, e.g. `Student`.
        provenance: versions, commands and measured parity; never interpreted.
    """

    characters: tuple[str, ...]
    height: int = 32
    channels: int = 3
    input_name: str = "x"
    output_name: str = "probabilities"
    color_order: str = "BGR"
    mean: float = 0.5
    std: float = 0.5
    width: WidthPolicy = WidthPolicy()
    blank_index: int = BLANK_INDEX
    output_activation: str = "softmax"
    network: str = ""
    weights_sha256: str = ""
    config_sha256: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        allowed = {
            "height": self.height > 0,
            "channels": self.channels in (1, 3),
            "color_order": self.color_order in ("BGR", "RGB"),
            "std": self.std > 0,
            "blank_index": self.blank_index == BLANK_INDEX,
            "output_activation": self.output_activation in ("softmax", "none"),
        }
        for name, is_allowed in allowed.items():
            if not is_allowed:
                raise ArtifactError(
                    f"the recogniser spec is unusable: {name} cannot be {getattr(self, name)!r}; "
                    "export the model again"
                )

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
        """Metadata entries for an ONNX file: string keys and string values."""
        return {
            SPEC_KEY: json.dumps(asdict(self), ensure_ascii=False, sort_keys=True),
            CHARACTER_KEY: "\n".join(self.listed_characters),
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], where: str) -> RecognizerSpec | None:
        """Read the spec back, or None when the metadata holds none.

        Args:
            metadata: an ONNX file's string metadata.
            where: the file, for messages.

        Raises:
            ArtifactError: if the entry is there but damaged, or of a newer format.
        """
        if SPEC_KEY not in metadata:
            return None
        try:
            entries = json.loads(metadata[SPEC_KEY])
            version = int(entries["format_version"])
            if version > FORMAT_VERSION:
                raise ArtifactError(
                    f"{where}: its spec has format {version}, this program reads up to "
                    f"{FORMAT_VERSION}; update the program"
                )
            entries["width"] = WidthPolicy(**entries["width"])
            entries["characters"] = tuple(entries["characters"])
            known = {one.name for one in fields(cls)}
            return cls(**{name: value for name, value in entries.items() if name in known})
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactError(
                f"{where}: the recogniser spec in its metadata is damaged ({error}); "
                "export the model again"
            ) from error
