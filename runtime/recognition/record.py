"""Converts a result to the record that files and services write, and describes it in a schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a table shows no boxes
    from runtime.recognition.boxes import Box
    from runtime.recognition.result import Recognition

Schema = dict[str, Any]

_CONFIDENCE_DECIMALS = 6
_PX_DECIMALS = 1


def record_from_recognition(recognition: Recognition) -> dict[str, Any]:
    """Convert a result to a record as `RECORD` describes it, with its path as `file`.

    The entry `alternatives` is there only if they were asked for and a text was read.
    """
    characters = zip(
        recognition.characters,
        recognition.character_confidences,
        recognition.time_steps,
        recognition.last_time_steps or recognition.time_steps,
        recognition.character_boxes,
        strict=True,
    )
    record = {
        "file": recognition.source,
        "text": recognition.text,
        "confidence": rounded(recognition.confidence),
        "characters": [
            {
                "text": text,
                "confidence": rounded(confidence),
                "time_step": first,
                "last_time_step": last,
                "box": _edges(box),
            }
            for text, confidence, first, last, box in characters
        ],
        "words": [
            {
                "text": word.text,
                "kind": word.kind,
                "confidence": rounded(word.confidence),
                "box": _edges(word.box),
            }
            for word in recognition.words
        ],
        "width_px": recognition.width_px,
        "height_px": recognition.height_px,
        "input_width_px": recognition.input_width_px,
        "warnings": list(recognition.warnings),
        "error": recognition.error,
    }
    if recognition.alternatives:
        record["alternatives"] = [
            {"text": alternative.text, "probability": rounded(alternative.probability)}
            for alternative in recognition.alternatives
        ]
    return record


def rounded(confidence: float) -> float:
    """Round a probability to the decimals that are written."""
    return round(confidence, _CONFIDENCE_DECIMALS)


def described_object(**properties: Schema) -> Schema:
    """Return the schema of an object that has all of these properties."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def _edges(box: Box) -> list[float]:
    """Return left, top, right, bottom in px, rounded."""
    return [round(edge, _PX_DECIMALS) for edge in box]


_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_BOX: Schema = {
    "type": "array",
    "items": {"type": "number"},
    "minItems": 4,
    "maxItems": 4,
    "description": "left, top, right, bottom in px of the image",
}
_CHARACTER = described_object(
    text=_TEXT,
    confidence=_SHARE,
    time_step={**_COUNT, "description": "where the network first said it, from 0"},
    last_time_step={**_COUNT, "description": "where it last said it, without a break since"},
    box=_BOX,
)
_WORD = described_object(text=_TEXT, kind=_TEXT, confidence=_SHARE, box=_BOX)

RECORD = described_object(
    text=_TEXT,
    confidence=_SHARE,
    characters={"type": "array", "items": _CHARACTER},
    words={"type": "array", "items": _WORD},
    width_px=_COUNT,
    height_px=_COUNT,
    input_width_px=_COUNT,
    warnings={
        "type": "array",
        "items": _TEXT,
        "description": "what was left out, such as further pages of the file; what looks wrong",
    },
    error={"type": ["string", "null"], "description": "why the image could not be read"},
)
RECORD["properties"]["alternatives"] = {
    "type": "array",
    "items": described_object(text=_TEXT, probability=_SHARE),
    "description": "other texts, the most probable first; only where they are asked for",
}
"""Schema of a record; a file adds `file`, a service `name`."""
