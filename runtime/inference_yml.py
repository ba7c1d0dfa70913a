"""Reads PaddleOCR's `inference.yml`, which describes the model beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from runtime.errors import ArtifactError, EngineError
from runtime.yaml_file import YamlError, read_yaml

FILE_NAME = "inference.yml"
Description = TypeVar("Description")


def read_description(
    path: Path, parse: Callable[[Any], Description], expected: str, remedy: str
) -> Description:
    """Read the file, and take from its content what a task needs.

    Args:
        path: of the file.
        parse: takes the entries; errors of Python mean that some are missing.
        expected: what the task expects of the file, for messages: `describes no …: expected …`.
        remedy: what to give instead, for messages.

    Raises:
        ArtifactError: if it is missing, damaged, or of another kind of model.
        EngineError: if PyYAML is not installed.
    """
    try:
        content = read_yaml(path).content
    except ImportError as error:
        raise EngineError(f"{path} needs PyYAML to be read: pip install pyyaml") from error
    except OSError as error:
        raise ArtifactError(f"cannot read {path}: {error.strerror}; check the path") from error
    except YamlError as error:
        raise ArtifactError(f"{path} is damaged: {error}; export the model again") from error
    try:
        return parse(content)
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ArtifactError(
            f"{path} {expected}, got {type(error).__name__}: {error}; {remedy}"
        ) from error
