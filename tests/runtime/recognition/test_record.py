"""What is said of an image is what the schema says, field by field, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from runtime.recognition.alternatives import Alternative
from runtime.recognition.record import RECORD, record_from_recognition
from runtime.recognition.result import Recognition
from runtime.serve.schemas import NAMED_RECORD
from tests.runtime.infer.test_records import FAILED, READ


def closed(schema: Any) -> Any:
    """The schema, refusing what it does not name, at every depth."""
    if isinstance(schema, dict):
        inner = {key: closed(value) for key, value in schema.items()}
        if "properties" in schema:
            inner["additionalProperties"] = False
        return inner
    return schema


@pytest.mark.parametrize(
    "recognition", [READ, FAILED, replace(READ, alternatives=(Alternative("x", 0.25),))]
)
def test_every_field_is_described_and_there(recognition: Recognition) -> None:
    record = record_from_recognition(recognition)
    del record["file"]
    jsonschema.validate(record, closed(RECORD))
    jsonschema.validate({"name": "a.png", **record}, closed(NAMED_RECORD))
    for name in RECORD["required"]:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**record, name: object()}, closed(RECORD))
