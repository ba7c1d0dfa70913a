"""Reads a recogniser's ONNX file: graph, spec and hash; needs no paddle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from export.conversion.graph import input_shape
from export.conversion.onnx_file import load_model
from runtime.engines.onnxruntime import OnnxRuntimeEngine
from runtime.errors import ArtifactError, EngineError
from runtime.files import sha256_of_file
from runtime.recognition.score_session import ScoreSession
from runtime.recognition.session import Session
from runtime.recognition.spec import RecognizerSpec


@dataclass(frozen=True)
class RecognizerFile:
    """A recogniser as it lies on the disk.

    Args:
        path: of the file.
        model: its graph.
        spec: its own, or told from graph and dictionary where it carries none.
        sha256: of the file.
    """

    path: Path
    model: onnx.ModelProto
    spec: RecognizerSpec
    sha256: str

    @property
    def is_half(self) -> bool:
        """Whether any of it is FP16 already."""
        return has_half(self.model)

    @property
    def is_eight_bit(self) -> bool:
        """Whether any of it is 8-bit already."""
        return has_eight_bit(self.model)

    @property
    def fixed_batch(self) -> int | None:
        """N where the model leaves no choice, else None."""
        shape = input_shape(self.model)
        return shape[0] if shape else None


def read_recognizer(path: Path, dictionary: Path | None = None) -> RecognizerFile:
    """Read a recogniser.

    Args:
        path: an ONNX file, this project's or PaddleOCR's.
        dictionary: one character per line, for a file that carries no characters.

    Raises:
        ArtifactError: if it is missing, damaged, or not a recogniser.
    """
    if not path.is_file():
        raise ArtifactError(
            f"cannot open the model {path}: there is no such file; give an ONNX file (--onnx)"
        )
    model = load_model(path)
    spec, is_canonical = _told(path, dictionary)
    if not (is_canonical and _has_float_ends(model)):
        raise ArtifactError(
            f"{path}: not a network of this project's form: expected float32 [N, C, H, W] -> "
            "[N, T, K] with the blank first, got another precision or order; give it that form: "
            f"python -m export adopt {path} --output NEW.onnx"
        )
    return RecognizerFile(path, model, spec, sha256_of_file(path))


def check_reads(path: Path, session: Session) -> None:
    """Let an opened recogniser read one blank line, before anything is built on it.

    Args:
        path: of the file, for messages.
        session: of it.

    Raises:
        ArtifactError: if it cannot, or gives what is not a number.
    """
    spec = session.spec
    blank = np.zeros((spec.height, 1, spec.channels), np.uint8)
    try:
        session.read([blank], spec.width.input_width(1))
    except EngineError as error:
        raise ArtifactError(str(error)) from error


def _told(path: Path, dictionary: Path | None) -> tuple[RecognizerSpec, bool]:
    """The spec of a file that reads, and whether its output is [N, T, K] with the blank first."""
    session = ScoreSession(OnnxRuntimeEngine(path, "cpu"), dictionary)
    try:
        check_reads(path, session)
        return session.spec, session.layout.is_canonical
    finally:
        session.close()


def _has_float_ends(model: onnx.ModelProto) -> bool:
    """Whether what is fed and read is float32."""
    weights = {weight.name for weight in model.graph.initializer}
    fed = [value for value in model.graph.input if value.name not in weights]
    ends = (*fed, *model.graph.output)
    return all(end.type.tensor_type.elem_type == onnx.TensorProto.FLOAT for end in ends)


def has_half(model: onnx.ModelProto) -> bool:
    """Whether any of a graph is FP16: a weight, or what a cast makes."""
    half = onnx.TensorProto.FLOAT16
    casts = (node for node in model.graph.node if node.op_type == "Cast")
    targets = (one.i for node in casts for one in node.attribute if one.name == "to")
    return half in targets or half in (one.data_type for one in model.graph.initializer)


def has_eight_bit(model: onnx.ModelProto) -> bool:
    """Whether any node of a graph converts to or from 8 bit, or computes in it."""
    operators = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv")
    return any(node.op_type in operators for node in model.graph.node)


def refuse_eight_bit(model: onnx.ModelProto) -> None:
    """Stop before an 8-bit form, which is made for CPUs, is taken for a network to convert.

    Raises:
        ArtifactError: if the model is one.
    """
    if has_eight_bit(model):
        raise ArtifactError(
            "the model is 8-bit, a form for CPUs: expected an FP32 or FP16 network; give the one "
            "it was made from"
        )
