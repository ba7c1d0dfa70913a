"""An OCR engine for OCRmyPDF: `ocrmypdf --plugin runtime.pages.ocrmypdf_plugin in.pdf out.pdf`.

What OCRmyPDF does beside reading (PDF/A, optimisation, rotation, deskewing) it does as always, and
Tesseract need not be installed. Words are placed as `runtime.pages.searchable` places them.

Source: OCRmyPDF's plug-in interface, versions 16 and 17 (`ocrmypdf.pluginspec`).
"""

from __future__ import annotations

import os
import threading
from argparse import ArgumentParser
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import runtime
from runtime.detection.model.default import default_detector
from runtime.errors import OcrError
from runtime.images.resolution import px_per_inch_of
from runtime.pages.formats.hocr import hocr_begin, hocr_end, hocr_page
from runtime.pages.formats.kinds import SYSTEM
from runtime.pages.result import PageText
from runtime.pages.searchable.file import PdfFile
from runtime.pages.searchable.text import text_operators
from runtime.recognition.model.default import default_model

Hook = Callable[..., Any]

_TESSERACT = "ocrmypdf.builtin_plugins.tesseract_ocr"
_PX_PER_INCH, _POINTS_PER_INCH, _QUARTER = 300.0, 72.0, 90
_VERY_CONFIDENT = 15.0
_OPTIONS = {
    "detector": (
        "FILE",
        "the detector; default: $DISTILREC_DETECTOR, else the one that comes along",
    ),
    "model": ("FILE", "the recogniser; default: $DISTILREC_MODEL, else models/latin"),
    "dictionary": ("FILE", "characters, one a line, for a model that does not carry its own"),
}

try:
    hookimpl: Hook = import_module("ocrmypdf").hookimpl
except ImportError:

    def hookimpl(function: Hook | None = None, **_: object) -> Hook:
        """Mark nothing: without OCRmyPDF nobody asks for hooks."""
        return hookimpl if function is None else function


@hookimpl
def initialize(plugin_manager: Any) -> None:
    """Take Tesseract's place, with its check whether it is installed."""
    plugin_manager.set_blocked(_TESSERACT)


@hookimpl(optionalhook=True)
def register_options() -> dict[str, Any]:
    """Register what OCRmyPDF 17 looks for under Tesseract's name."""
    return {"tesseract": import_module(_TESSERACT).TesseractOptions}


@hookimpl
def add_options(parser: ArgumentParser) -> None:
    """Add the options of this engine, and Tesseract's, which have no effect."""
    import_module(_TESSERACT).add_options(parser)
    group = parser.add_argument_group("distilrec", "reading with distilrec")
    for name, (value, text) in _OPTIONS.items():
        group.add_argument(f"--distilrec-{name}", metavar=value, help=text)


@hookimpl
def check_options(options: Any) -> None:
    """Have words placed by this engine, and look for its models before any page is read."""
    if getattr(options, "ocr_engine", "auto") == "none":
        return
    if getattr(options, "pdf_renderer", "auto") == "auto":
        options.pdf_renderer = "sandwich"
    try:
        _models(options)
    except OcrError as error:
        remedy = "name models with --distilrec-detector and --distilrec-model"
        raise import_module("ocrmypdf.exceptions").BadArgsError(f"{error}; {remedy}") from error


@hookimpl
def get_ocr_engine(options: Any = None) -> Any:
    """Return the engine, unless none is asked for."""
    if options is not None and getattr(options, "ocr_engine", "auto") == "none":
        return None
    return _engine_class()()


class _Engine:
    """What OCRmyPDF asks of an engine."""

    @staticmethod
    def version() -> str:
        """Return the version."""
        return runtime.__version__

    @staticmethod
    def creator_tag(options: Any) -> str:
        """Return what stands in the file as its maker."""
        return f"{SYSTEM} {runtime.__version__}"

    def __str__(self) -> str:
        """Return name and version."""
        return f"{SYSTEM} {runtime.__version__}"

    @staticmethod
    def languages(options: Any) -> set[str]:
        """Return nothing, so that any language is taken: the model says what it reads."""
        return set()

    @staticmethod
    def get_orientation(input_file: Path, options: Any) -> Any:
        """Return by how many quarters a page is to be turned for its text to stand upright."""
        page = _read(input_file, options)
        angle = round(page.angle / _QUARTER) * _QUARTER % 360
        confidence = _VERY_CONFIDENT if page.lines else 0.0
        return import_module("ocrmypdf.pluginspec").OrientationConfidence(angle, confidence)

    @staticmethod
    def get_deskew(input_file: Path, options: Any) -> float:
        """Return by how many degrees a page is to be turned, counter-clockwise, to lean no more."""
        angle = _read(input_file, options).angle
        return round(angle / _QUARTER) * _QUARTER - angle

    @staticmethod
    def generate_hocr(input_file: Path, output_hocr: Path, output_text: Path, options: Any) -> None:
        """Write the text of a page as hOCR and as plain text."""
        page = _read(input_file, options)
        begin = hocr_begin(f"{SYSTEM} {runtime.__version__}")
        hocr = begin + hocr_page(page, 1) + hocr_end()
        Path(output_hocr).write_text(hocr, encoding="utf-8")
        Path(output_text).write_text(page.text, encoding="utf-8")

    @staticmethod
    def generate_pdf(input_file: Path, output_pdf: Path, output_text: Path, options: Any) -> None:
        """Write the text of a page as a PDF file on which nothing is seen, and as plain text."""
        page = _read(input_file, options)
        scale = _POINTS_PER_INCH / (px_per_inch_of(input_file) or _PX_PER_INCH)
        height = page.height_px * scale
        with open(output_pdf, "wb") as stream:
            file = PdfFile(stream, f"{SYSTEM} {runtime.__version__}")
            text = text_operators(page, (scale, 0.0, 0.0, -scale, 0.0, height), file.font)
            file.add_page(None, (page.width_px * scale, height), text)
            file.close()
        Path(output_text).write_text(page.text, encoding="utf-8")


@cache
def _engine_class() -> type:
    """Return the engine as the class that OCRmyPDF expects."""
    return type("DistilrecEngine", (_Engine, import_module("ocrmypdf.pluginspec").OcrEngine), {})


_lock = threading.Lock()
_readers: dict[tuple[str | None, ...], Any] = {}


def _models(options: Any) -> tuple[str, str, str | None]:
    """Return detector, recogniser and dictionary.

    Raises:
        ArtifactError: if one is named nowhere and none comes along.
    """
    named = {name: _named(options, name) for name in _OPTIONS}
    return (
        named["detector"] or str(default_detector()),
        named["model"] or str(default_model()),
        named["dictionary"],
    )


def _named(options: Any, name: str) -> str | None:
    """Return what an option or its environment variable names."""
    found = getattr(options, f"distilrec_{name}", None)
    return found or os.environ.get(f"DISTILREC_{name.upper()}") or None


def _read(image: Path, options: Any) -> PageText:
    """Read a page, with a reader of this process.

    Raises:
        OcrError: if the page cannot be read.
    """
    models = _models(options)
    with _lock:
        if models not in _readers:
            from runtime.pages.reader import PageReader

            detector, recognizer, dictionary = models
            # OCRmyPDF reads several pages at once, each in a process of one thread.
            _readers[models] = PageReader(
                detector=detector, recognizer=recognizer, dictionary=dictionary, threads=1
            )
        reader = _readers[models]
    (page,) = reader.stream([str(image)])
    if page.error is not None:
        raise OcrError(f"{image}: {page.error}")
    found: PageText = page
    return found
