"""Reads line images with an exported recogniser; needs numpy and OpenCV, never paddle."""

from runtime.errors import (
    ArtifactError,
    CheckpointError,
    ConfigError,
    DatasetError,
    EngineError,
    ImageError,
    OcrError,
    ParityError,
)
from runtime.images import find_images, read_image
from runtime.recognizer import Recognition, Recognizer
from runtime.spec import RecognizerSpec, WidthPolicy

__version__ = "0.1.0"

__all__ = [
    "ArtifactError",
    "CheckpointError",
    "ConfigError",
    "DatasetError",
    "EngineError",
    "ImageError",
    "OcrError",
    "ParityError",
    "Recognition",
    "Recognizer",
    "RecognizerSpec",
    "WidthPolicy",
    "find_images",
    "read_image",
]
