"""Reads a model's ONNX file: graph, spec and hash; needs no paddle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx

from export.contract import opened
from export.conversion.denormals import set_denormals_to_zero
from export.conversion.graph import input_shape
from export.conversion.onnx_file import load_model
from export.conversion.precision_of import has_eight_bit, has_half
from runtime.errors import ArtifactError
from runtime.files import sha256_of_file
from runtime.spec import ModelSpec


@dataclass(frozen=True)
class ModelFile:
    """A model as it lies on the disk.

    Args:
        path: of the file.
        model: its graph, denormal weights set to 0.
        spec: its own, or derived from graph and dictionary where it carries none.
        sha256: of the file.
    """

    path: Path
    model: onnx.ModelProto
    spec: ModelSpec
    sha256: str

    @property
    def is_half(self) -> bool:
        """Tell whether any of it is FP16 already."""
        return has_half(self.model)

    @property
    def is_eight_bit(self) -> bool:
        """Tell whether any of it is 8-bit already."""
        return has_eight_bit(self.model)

    @property
    def fixed_batch(self) -> int | None:
        """N where the model leaves no choice, else None."""
        shape = input_shape(self.model)
        return shape[0] if shape else None


def read_model(path: Path, dictionary: Path | None = None) -> ModelFile:
    """Read a model of any task.

    Args:
        path: an ONNX file, this project's or PaddleOCR's.
        dictionary: one character per line, for a recogniser that carries no characters.

    Raises:
        ArtifactError: if it is missing, damaged, or of no task that is known.
    """
    if not path.is_file():
        raise ArtifactError(
            f"cannot open the model {path}: there is no such file; give an ONNX file (--onnx)"
        )
    model = load_model(path)
    spec, difference = opened(path, dictionary)
    if difference or not _has_float_ends(model):
        ends = " -> ".join(f"[{', '.join(letters)}]" for letters in spec.dimensions)
        raise ArtifactError(
            f"{path}: not a network of this project's form: expected float32 {ends}, got another "
            f"precision or order; give it that form: python -m export adopt {path} --output "
            "NEW.onnx"
        )
    set_denormals_to_zero(model)
    return ModelFile(path, model, spec, sha256_of_file(path))


def _has_float_ends(model: onnx.ModelProto) -> bool:
    """Tell whether inputs and outputs are float32."""
    weights = {weight.name for weight in model.graph.initializer}
    fed = [value for value in model.graph.input if value.name not in weights]
    ends = (*fed, *model.graph.output)
    return all(end.type.tensor_type.elem_type == onnx.TensorProto.FLOAT for end in ends)
