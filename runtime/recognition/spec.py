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

from runtime.errors import ArtifactError
from runtime.fields import (
    Field,
    check_fields,
    choice,
    is_unicode,
    mapping,
    number,
    sha256,
    shown,
    text,
    whole,
)
from runtime.recognition.charset import (
    BLANK_INDEX,
    MAX_CHARACTER_LENGTH,
    MAX_CHARACTERS,
    SPACE,
    Charset,
)

FORMAT_VERSION = 1
SPEC_KEY = "recognizer_spec"
CHARACTER_KEY = "character"

MAX_HEIGHT_PX, MAX_WIDTH_PX = 1024, 65_536
"""Far above any recogniser's: what a file says beyond it would only cost memory."""
MAX_METADATA_LENGTH = 16 * 2**20
_REMEDY = "export the model again"


def _are_characters(value: Any) -> bool:
    return (
        isinstance(value, tuple)
        and 0 < len(value) <= MAX_CHARACTERS
        and all(isinstance(character, str) for character in value)
        and max(map(len, value)) <= MAX_CHARACTER_LENGTH
        and is_unicode("".join(value))
    )


def _is_provenance(value: Any) -> bool:
    """Whether a value is an object that can be written into metadata again."""
    if not isinstance(value, Mapping):
        return False
    try:
        return is_unicode(json.dumps(dict(value), ensure_ascii=False))
    except (TypeError, ValueError, RecursionError):
        return False


_WIDTH_FIELDS = {name: whole(1, MAX_WIDTH_PX) for name in ("step_px", "min_px", "max_px")}
_TENSOR_NAME = text(shortest=1)
_SPEC_FIELDS = {
    "characters": Field(
        f"a list of 1 to {MAX_CHARACTERS} characters, each a text of up to "
        f"{MAX_CHARACTER_LENGTH} code points",
        _are_characters,
    ),
    "height": whole(1, MAX_HEIGHT_PX),
    "channels": choice(1, 3),
    "input_name": _TENSOR_NAME,
    "output_name": _TENSOR_NAME,
    "color_order": choice("BGR", "RGB"),
    "mean": number(-1e6, 1e6),
    "std": number(1e-6, 1e6),
    "blank_index": choice(BLANK_INDEX),
    "output_activation": choice("softmax", "none"),
    "network": text(),
    "weights_sha256": sha256(or_empty=True),
    "config_sha256": sha256(or_empty=True),
    "provenance": Field("an object of texts, numbers, lists and objects", _is_provenance),
    "format_version": whole(1, FORMAT_VERSION),
}


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
        check_fields(vars(self), _WIDTH_FIELDS, "impossible width policy", _REMEDY)
        if self.min_px > self.max_px:
            raise ArtifactError(
                f"impossible width policy: expected min_px <= max_px, got {self.min_px} and "
                f"{self.max_px}; {_REMEDY}"
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
        check_fields(vars(self), _SPEC_FIELDS, "the recogniser spec is unusable", _REMEDY)
        if not isinstance(self.width, WidthPolicy):
            raise ArtifactError(
                f"the recogniser spec is unusable: width: expected a width policy, got "
                f"{shown(self.width)}; {_REMEDY}"
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
        said = metadata[SPEC_KEY]
        if len(said) > MAX_METADATA_LENGTH:
            raise ArtifactError(
                f"{where}: the recogniser spec in its metadata is damaged: expected up to "
                f"{MAX_METADATA_LENGTH} characters, got {len(said)}; {_REMEDY}"
            )
        try:
            entries = json.loads(said)
        except (ValueError, RecursionError) as error:  # deep nesting is a RecursionError
            raise ArtifactError(
                f"{where}: the recogniser spec in its metadata is damaged: expected JSON, got "
                f"{' '.join(str(error).split())}; {_REMEDY}"
            ) from error
        return cls.from_entries(entries, where)

    @classmethod
    def from_entries(cls, entries: Any, where: str) -> RecognizerSpec:
        """Read the spec back from what its JSON says.

        Args:
            entries: of any type and content; names that this format does not know are passed over.
            where: the file, for messages.

        Raises:
            ArtifactError: naming file, field, what was expected and got, or a newer format.
        """
        if not isinstance(entries, dict):
            raise ArtifactError(
                f"{where}: the recogniser spec is damaged: expected an object, got "
                f"{shown(entries)}; {_REMEDY}"
            )
        version = entries.get("format_version")
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise ArtifactError(
                f"{where}: its spec has format {shown(version)}, this program "
                f"reads up to {FORMAT_VERSION}; update the program"
            )
        known = {name: entries[name] for name in _FIELD_NAMES if name in entries}
        try:
            check_fields(known, _ENTRY_FIELDS, "the recogniser spec is damaged", _REMEDY)
            sizes = {name: known["width"].get(name) for name in _WIDTH_FIELDS}
            known["width"] = WidthPolicy(**sizes)
            known["characters"] = tuple(known["characters"])
            return cls(**known)
        except ArtifactError as error:
            raise ArtifactError(f"{where}: {error}") from error


_FIELD_NAMES = tuple(field.name for field in fields(RecognizerSpec))
_ENTRY_FIELDS = {
    "format_version": _SPEC_FIELDS["format_version"],
    "width": mapping(),
    "characters": Field("a list of characters", lambda value: isinstance(value, list)),
}
"""What JSON must hold before it can be made a spec; the rest has defaults."""
