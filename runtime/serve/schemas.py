"""JSON schemas of answers and bodies, for the OpenAPI description."""

from __future__ import annotations

from typing import Any

from runtime.recognition.record import RECORD, Schema, described_object

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}


def _open_object(**properties: Schema) -> Schema:
    """Return the schema of an object that may have these properties."""
    return {"type": "object", "properties": properties}


ERROR = described_object(error=_TEXT)

_NAME: Schema = {"type": ["string", "null"], "description": "file name, as the client gave it"}
NAMED_RECORD = {
    **RECORD,
    "properties": {"name": _NAME, **RECORD["properties"]},
    # What `detail=text` leaves; without it a record has all.
    "required": ["name", "text", "confidence", "warnings", "error"],
}

READING = described_object(model=_TEXT, results={"type": "array", "items": NAMED_RECORD})

IMAGES_BODY: Schema = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": described_object(
                image={"type": "array", "items": {"type": "string", "format": "binary"}}
            )
        },
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        "image/*": {"schema": {"type": "string", "format": "binary"}},
    },
}

_TENSOR = {
    "name": _TEXT,
    "datatype": _TEXT,
    "shape": {"type": "array", "items": _COUNT, "minItems": 1},
}

INFER_BODY: Schema = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                **_open_object(
                    id={"type": "string", "maxLength": 1000},
                    parameters={"type": "object"},
                    inputs={
                        "type": "array",
                        "minItems": 1,
                        "maxItems": 1,
                        "items": {
                            "type": "object",
                            "required": ["name", "datatype", "shape", "data"],
                            "properties": {
                                **_TENSOR,
                                "name": {"const": "image"},
                                "datatype": {"const": "BYTES"},
                                "data": {
                                    "type": "array",
                                    "items": {"type": "string", "format": "byte"},
                                },
                            },
                        },
                    },
                    outputs={
                        "type": "array",
                        "description": "each at most once; all if none is named",
                        "items": {
                            "type": "object",
                            "required": ["name"],
                            "properties": {
                                "name": {
                                    "enum": ["text", "confidence", "json", "error", "warning"]
                                },
                                "parameters": _open_object(binary_data={"type": "boolean"}),
                            },
                        },
                    },
                ),
                "required": ["inputs"],
            }
        }
    },
}

INFERENCE = {
    **_open_object(
        model_name=_TEXT,
        model_version=_TEXT,
        id=_TEXT,
        outputs={"type": "array", "items": described_object(**_TENSOR)},
    ),
    "required": ["model_name", "model_version", "outputs"],
}

ANY_OBJECT: Schema = {"type": "object"}

_REASONS = {
    400: "The request is not understood",
    401: "The API key is missing or wrong",
    404: "There is no such model, or no detector to read pages with",
    408: "The body did not come in time",
    413: "The body is too long, or holds too many images or pages",
    415: "The body is of a kind that is not understood",
    421: "The service is not called by this name",
    422: "None of the images or pages could be read",
    429: "Too busy; Retry-After says when to try again",
    500: "The engine failed",
    503: "Not ready",
    504: "Not read in time",
}


_ALWAYS = (400, 421)
"""Refusals of every operation: a request may be malformed or to another host name."""


def answers(ok: Schema, *statuses: int, media: str = "application/json") -> dict[int | str, Any]:
    """Describe every answer of an operation.

    Args:
        ok: schema of the answer with status 200.
        statuses: of its refusals.
        media: content type of the answer with status 200.
    """
    described: dict[int | str, Any] = {
        200: {"description": "Done", "content": {media: {"schema": ok}}}
    }
    for status in (*statuses, *_ALWAYS):
        described[status] = {
            "description": _REASONS[status],
            "content": {"application/json": {"schema": ERROR}},
        }
    return described
