"""PaddleOCR's `inference.yml`, which lies beside an exported model and tells its characters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.errors import ArtifactError, EngineError
from runtime.yaml_file import YamlError, read_yaml

FILE_NAME = "inference.yml"


@dataclass(frozen=True)
class InferenceYml:
    """What the file says that reading with the model needs.

    Args:
        characters: the dictionary, without blank and appended space.
        image_shape: [C, H, W] of `RecResizeImg`.
        model_name: PaddleOCR's name of the model, empty if it gives none.
    """

    characters: tuple[str, ...]
    image_shape: tuple[int, int, int]
    model_name: str


def read_inference_yml(path: Path) -> InferenceYml:
    """Read the file of a text recogniser.

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
        return _parsed(content)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ArtifactError(
            f"{path} describes no CTC recogniser: expected PostProcess.character_dict and "
            f"RecResizeImg.image_shape [C, H, W], got {type(error).__name__}: {error}; give the "
            "folder of an exported text recognition model"
        ) from error


def _parsed(content: Any) -> InferenceYml:
    listed = content["PostProcess"]["character_dict"]
    if not isinstance(listed, list) or not listed:
        raise ValueError("no list of characters")
    shape: Any = None
    for transform in content["PreProcess"]["transform_ops"]:
        if isinstance(transform, Mapping) and "RecResizeImg" in transform:
            shape = transform["RecResizeImg"]["image_shape"]
    channels, height, width = (int(size) for size in shape)
    if None in listed:
        raise ValueError("an empty entry among the characters")
    # An unquoted digit is a number to YAML.
    characters = tuple(str(one) for one in listed)
    name = (content.get("Global") or {}).get("model_name") or ""
    return InferenceYml(characters, (channels, height, width), str(name))
