"""The forms of one network, each as it is read in production, or as near as this machine comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from export.conversion.model_file import read_model
from export.proof.forms import ScoreForm, form_of_file
from runtime import Recognizer, read_image
from runtime.engines import ENGINE_SUFFIXES
from runtime.errors import OcrError
from runtime.recognition.ctc import best_path, decode_best_path
from runtime.recognition.preprocess import Image
from runtime.recognition.score_session import ScoreSession
from runtime.recognition.session import open_session
from runtime.recognition.spec import RecognizerSpec

Read = Callable[[Sequence[str]], Iterator[tuple[str, float, str | None]]]
"""Paths -> text, confidence and error of each."""


@dataclass(frozen=True)
class Reader:
    """One form, open.

    Args:
        title: engine and precision, and how it was run.
        read: reads paths.
    """

    title: str
    read: Read


def open_reader(model: Path, resize: str | None = None) -> Reader:
    """Open a form: the runtime itself, or for FP16 on a CPU its roundings emulated.

    onnxruntime's CPU provider computes FP16 nodes in FP32, which would hide what they lose.

    Args:
        model: an ONNX file or a plan.
        resize: instead of the way that an FP32 model says, one of `INTERPOLATIONS`.

    Raises:
        OcrError: if it cannot be opened here.
    """
    if resize is not None:
        session = open_session(model, device="cpu", shared=True, precision="fp32")
        if not isinstance(session, ScoreSession):
            raise OcrError(f"{model}: expected an ONNX file in FP32 to resize {resize} for")
        session.spec = replace(session.spec, resize=resize)
        resized = Recognizer(session)
        title = f"ONNX, FP32, onnxruntime, lines resized {resize}"
        return Reader(title, lambda paths: _through_runtime(resized, paths))
    if model.suffix.lower() in ENGINE_SUFFIXES:
        recognizer = Recognizer(model)
        return Reader(recognizer.description, lambda paths: _through_runtime(recognizer, paths))
    if read_model(model).is_half:
        form, _ = form_of_file(model)
        if not isinstance(form, ScoreForm):
            raise OcrError(f"{model}: expected an ONNX file; name one in .onnx")
        return Reader(
            "ONNX, FP16, every rounding emulated", lambda paths: _through_form(form, paths)
        )
    recognizer = Recognizer(model, device="cpu")
    return Reader("ONNX, FP32, onnxruntime", lambda paths: _through_runtime(recognizer, paths))


def _through_runtime(
    recognizer: Recognizer, paths: Sequence[str]
) -> Iterator[tuple[str, float, str | None]]:
    for line in recognizer.stream(paths):
        yield line.text, line.confidence, line.error


def _through_form(form: ScoreForm, paths: Sequence[str]) -> Iterator[tuple[str, float, str | None]]:
    read: dict[int, tuple[str, float, str | None]] = {}
    images: list[Image] = []
    places: list[int] = []
    for place, path in enumerate(paths):
        try:
            images.append(read_image(path))
            places.append(place)
        except OcrError as error:
            read[place] = "", 0.0, str(error)
    # One line at a time, as the runtime does on a CPU.
    spec = form.contract.spec
    assert isinstance(spec, RecognizerSpec)
    for batch in form.contract.samples(images, "").batches(1):
        probabilities = form.probabilities(batch.inputs)
        (line,) = decode_best_path(*best_path(probabilities), spec.charset)
        read[places[batch.positions[0]]] = line.text, line.confidence, None
    for place in range(len(paths)):
        yield read[place]
