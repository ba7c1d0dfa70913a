"""Reads PaddleOCR's `inference.yml`, which lists the characters of the model beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.fields import check_fields, choice, is_unicode, shown, text, whole
from runtime.inference_yml import FILE_NAME as FILE_NAME
from runtime.inference_yml import read_description
from runtime.recognition.charset import MAX_CHARACTER_LENGTH, MAX_CHARACTERS
from runtime.recognition.spec import MAX_HEIGHT_PX, MAX_WIDTH_PX

_SIZES = ("image_shape C", "image_shape H", "image_shape W")
_FIELDS = {
    "image_shape C": choice(1, 3),
    "image_shape H": whole(1, MAX_HEIGHT_PX),
    "image_shape W": whole(-1, MAX_WIDTH_PX),
    "DecodeImage.img_mode": choice("BGR", "RGB"),
    "Global.model_name": text(),
}


@dataclass(frozen=True)
class InferenceYml:
    """The entries of the file that reading with the model needs.

    Args:
        characters: the dictionary, without blank and appended space.
        image_shape: [C, H, W] of `RecResizeImg`.
        model_name: PaddleOCR's name of the model, empty if it gives none.
        color_order: `BGR` or `RGB`.
    """

    characters: tuple[str, ...]
    image_shape: tuple[int, int, int]
    model_name: str
    color_order: str = "BGR"


def read_inference_yml(path: Path) -> InferenceYml:
    """Read the file of a text recogniser.

    Raises:
        ArtifactError: if it is missing, damaged, or of another kind of model.
        EngineError: if PyYAML is not installed.
    """
    return read_description(
        path,
        _parse,
        "describes no CTC recogniser: expected PostProcess.character_dict and "
        "RecResizeImg.image_shape [C, H, W]",
        "give the folder of an exported text recognition model",
    )


def _parse(content: Any) -> InferenceYml:
    """Take the entries from the file's content; errors of Python mean that some are missing."""
    listed = content["PostProcess"]["character_dict"]
    if not isinstance(listed, list) or not 0 < len(listed) <= MAX_CHARACTERS:
        raise ValueError(f"no list of up to {MAX_CHARACTERS} characters")
    shape: Any = None
    color_order = "BGR"
    for transform in content["PreProcess"]["transform_ops"]:
        if not isinstance(transform, Mapping):
            continue
        if "RecResizeImg" in transform:
            shape = transform["RecResizeImg"]["image_shape"]
        decoding = transform.get("DecodeImage")
        if isinstance(decoding, Mapping):
            color_order = decoding.get("img_mode", "BGR")
    if not isinstance(shape, list) or len(shape) != 3:
        raise ValueError(f"image_shape {shown(shape)}")
    name = (content.get("Global") or {}).get("model_name") or ""
    fields = dict(zip(_SIZES, shape, strict=True))
    fields |= {"DecodeImage.img_mode": color_order, "Global.model_name": name}
    check_fields(fields, _FIELDS, "PaddleOCR's description", "export the model again")
    characters = tuple(_character(entry) for entry in listed)
    return InferenceYml(characters, (shape[0], shape[1], shape[2]), name, color_order)


def _character(entry: Any) -> str:
    """Return an entry of the list as text; YAML reads an unquoted digit as a number."""
    is_digit = isinstance(entry, int) and not isinstance(entry, bool) and 0 <= entry <= 9
    if is_digit:
        return str(entry)
    if not isinstance(entry, str) or len(entry) > MAX_CHARACTER_LENGTH or not is_unicode(entry):
        raise ValueError(f"{shown(entry)} among the characters, which is none; put it in quotes")
    return entry
