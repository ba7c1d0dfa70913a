"""The JSON schema (draft 2020-12) of a result file; `result` explains the fields."""

from __future__ import annotations

from typing import Any

FORMAT = 2

_TEXT: dict[str, Any] = {"type": "string"}
_NUMBER: dict[str, Any] = {"type": "number"}
_TEXTS: dict[str, Any] = {"type": "array", "items": _TEXT}
_OBJECT: dict[str, Any] = {"type": "object"}


def _exactly(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an object with these entries, all of them and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_MEASURE = _exactly(
    {
        "name": {**_TEXT, "minLength": 1},
        "unit": _TEXT,
        "better": {"enum": ["higher", "lower"]},
        "value": _NUMBER,
        "least": _NUMBER,
        "most": _NUMBER,
        "samples": {"type": "array", "items": _NUMBER, "minItems": 1},
        "is_exact": {"type": "boolean"},
    }
)
_FAILURE = _exactly(
    {"what": _TEXT, "reason": _TEXT, "is_absent": {"type": "boolean"}, "tail": _TEXTS}
)

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": f"a benchmark's result, format {FORMAT}",
    **_exactly(
        {
            "schema": {"const": FORMAT},
            "benchmark": {**_TEXT, "minLength": 1},
            "title": _TEXT,
            "time": _TEXT,
            "command": _TEXTS,
            "fingerprint": {**_TEXT, "pattern": "^[0-9a-f]{12}$"},
            "machine": {**_OBJECT, "required": ["cpu", "cpus_available"]},
            "revision": {**_OBJECT, "required": ["commit", "is_modified"]},
            "versions": {"type": "object", "additionalProperties": _TEXT},
            "inputs": _OBJECT,
            "settings": _OBJECT,
            "measures": {"type": "array", "items": _MEASURE},
            "failures": {"type": "array", "items": _FAILURE},
            "remarks": _TEXTS,
            "details": _OBJECT,
        }
    ),
}
