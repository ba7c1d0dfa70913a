"""Finds and reads text with exported models; needs numpy and OpenCV, never paddle."""

import os
from importlib import import_module
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from runtime.detection.boxes import BoxOptions
    from runtime.detection.detector import Detector
    from runtime.detection.preprocess import SizePolicy
    from runtime.detection.result import Detection, TextBox
    from runtime.detection.spec import DetectorSpec
    from runtime.images.read import read_image
    from runtime.images.sources import NamedImage, Page, find_images, sources_from
    from runtime.pages.documents import DocumentReader
    from runtime.pages.reader import PageReader
    from runtime.pages.result import PageColumn, PageLine, PageText, PageWord
    from runtime.recognition.alternatives import Alternative
    from runtime.recognition.boxes import Box, Word
    from runtime.recognition.recognizer import Recognizer
    from runtime.recognition.result import Recognition
    from runtime.recognition.spec import RecognizerSpec, WidthPolicy

__version__ = "0.1.0"

# onnxruntime asks for this once, when it is imported, and without it writes a device id below the
# home folder and reports to its maker. Every room imports this package before onnxruntime.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = [
    "Alternative",
    "ArtifactError",
    "Box",
    "BoxOptions",
    "CheckpointError",
    "ConfigError",
    "DatasetError",
    "Detection",
    "Detector",
    "DetectorSpec",
    "DocumentReader",
    "EngineError",
    "ImageError",
    "NamedImage",
    "OcrError",
    "Page",
    "PageColumn",
    "PageLine",
    "PageReader",
    "PageText",
    "PageWord",
    "ParityError",
    "Recognition",
    "Recognizer",
    "RecognizerSpec",
    "SizePolicy",
    "TextBox",
    "WidthPolicy",
    "Word",
    "find_images",
    "read_image",
    "sources_from",
]

_MODULES = {
    "Alternative": "recognition.alternatives",
    "Box": "recognition.boxes",
    "BoxOptions": "detection.boxes",
    "Detection": "detection.result",
    "Detector": "detection.detector",
    "DetectorSpec": "detection.spec",
    "DocumentReader": "pages.documents",
    "NamedImage": "images.sources",
    "Page": "images.sources",
    "PageColumn": "pages.result",
    "PageLine": "pages.result",
    "PageReader": "pages.reader",
    "PageText": "pages.result",
    "PageWord": "pages.result",
    "Recognition": "recognition.result",
    "Recognizer": "recognition.recognizer",
    "RecognizerSpec": "recognition.spec",
    "SizePolicy": "detection.preprocess",
    "TextBox": "detection.result",
    "WidthPolicy": "recognition.spec",
    "Word": "recognition.boxes",
    "find_images": "images.sources",
    "read_image": "images.read",
    "sources_from": "images.sources",
}


def __getattr__(name: str) -> object:
    """Import what is asked for, so that a command line is refused before NumPy is loaded."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
