"""The forms that one network takes on its way to production, all read in one way.

A form is a paddle network, an inference program, an ONNX model or an engine. Each is given the
same prepared lines and answers with its best path, and with all probabilities where it has them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from export.conversion.model_file import read_recognizer
from runtime.engines import ENGINE_SUFFIXES
from runtime.engines.onnxruntime import reason_of
from runtime.errors import ArtifactError
from runtime.recognition.ctc import best_path, softmax
from runtime.recognition.preprocess import Image, batch_from_lines, full_parts
from runtime.recognition.session import Session, open_session
from runtime.recognition.spec import RecognizerSpec

Probabilities = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""float32 [N, C, H, W] -> class probabilities float32 [N, T, K]."""


@dataclass(frozen=True)
class Outputs:
    """What a form makes of N lines.

    Args:
        classes: largest class, integer [N, T].
        confidences: its probability, float32 [N, T].
        probabilities: of every class, float32 [N, T, K]; None when only the best path leaves the
            form, as from an engine.
    """

    classes: NDArray[np.int64]
    confidences: NDArray[np.float32]
    probabilities: NDArray[np.float32] | None


class Form(Protocol):
    """One form of a network."""

    @property
    def name(self) -> str:
        """For reports: `paddle`, or the file."""

    @property
    def is_exact(self) -> bool:
        """Whether it computes in FP32 throughout."""

    def read(self, lines: Sequence[Image], width_px: int) -> Outputs:
        """Run N lines, uint8 [H, w, C] each, padded to `width_px`."""


@dataclass(frozen=True)
class ProbabilityForm:
    """A form that gives the probability of every class.

    Args:
        name: for reports.
        spec: of the network.
        probabilities: runs a normalised batch.
        is_exact: whether it computes in FP32 throughout.
    """

    name: str
    spec: RecognizerSpec
    probabilities: Probabilities = field(repr=False)
    is_exact: bool = True

    def read(self, lines: Sequence[Image], width_px: int) -> Outputs:
        """As `Form.read`."""
        batch = batch_from_lines(lines, width_px, self.spec.mean, self.spec.std)
        probabilities = self.probabilities(batch)
        if probabilities.ndim != 3 or probabilities.shape[0] != len(lines):
            raise ArtifactError(
                f"{self.name}: not a CTC recogniser: expected [N, T, K] for {list(batch.shape)}, "
                f"got {list(probabilities.shape)}"
            )
        return Outputs(*best_path(probabilities), probabilities)


@dataclass(frozen=True)
class EngineForm:
    """A TensorRT engine, which gives the best path alone.

    Args:
        name: the file.
        session: it, opened.
    """

    name: str
    session: Session
    is_exact: bool = False

    def read(self, lines: Sequence[Image], width_px: int) -> Outputs:
        """As `Form.read`."""
        return Outputs(*self.session.read(lines, width_px), None)


def onnx_probabilities(model: bytes, spec: RecognizerSpec) -> Probabilities:
    """Run a serialised FP32 model on onnxruntime's CPU provider.

    Args:
        model: the file's bytes.
        spec: of the model; logits are made probabilities.

    Raises:
        ArtifactError: if onnxruntime cannot open it, or, when it is run, fails.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no base class of their own
        raise ArtifactError(
            f"onnxruntime cannot open the model: {reason_of(error)}; export it again"
        ) from error
    return session_probabilities(session, spec)


def session_probabilities(session: Any, spec: RecognizerSpec) -> Probabilities:
    """As `onnx_probabilities`, of a session of onnxruntime."""
    batch_size = session.get_inputs()[0].shape[0]

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            outputs = session.run([spec.output_name], {spec.input_name: batch})
        except Exception as error:  # onnxruntime's errors have no base class of their own
            raise ArtifactError(
                f"onnxruntime cannot run the model on an input of {list(batch.shape)}: "
                f"{reason_of(error)}; export it again"
            ) from error
        result: NDArray[np.float32] = outputs[0]
        return result

    return _adapted(run, spec, batch_size if isinstance(batch_size, int) else None)


def _adapted(run: Probabilities, spec: RecognizerSpec, batch_size: int | None) -> Probabilities:
    """`run` for any N, though the model's be fixed, and giving probabilities, not logits."""

    def adapted(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        parts = [batch] if batch_size is None else full_parts(batch, batch_size)
        scores = []
        for part in parts:
            output = run(part)
            # Before anything is cut: what fills up a fixed batch must not hide another order.
            if output.ndim != 3 or len(output) != len(part):
                raise ArtifactError(
                    f"not a CTC recogniser: expected an output [N, T, K] for an input of "
                    f"{list(part.shape)}, got {list(output.shape)}; give a text recognition model"
                )
            scores.append(output)
        return as_probabilities(np.concatenate(scores)[: len(batch)], spec)

    return adapted


def as_probabilities(scores: NDArray[np.float32], spec: RecognizerSpec) -> NDArray[np.float32]:
    """What the network emits, probabilities or logits, as probabilities: float32 [N, T, K]."""
    if spec.output_activation == "softmax":
        return scores
    return softmax(scores)


def program_probabilities(
    program: Path, spec: RecognizerSpec, batch_size: int | None = None
) -> Probabilities:
    """Run an inference program in paddle.

    Args:
        program: `inference.json` or `inference.pdmodel`.
        spec: of the network.
        batch_size: N when the program's is fixed.

    Raises:
        ArtifactError: if paddle cannot open it.
    """
    from paddle import inference

    config = inference.Config(str(program), str(program.with_suffix(".pdiparams")))
    config.disable_glog_info()
    config.disable_gpu()
    try:
        predictor = inference.create_predictor(config)
    except Exception as error:  # paddle raises whatever its C++ side throws
        reason = " ".join(str(error).split())[-300:]
        raise ArtifactError(
            f"paddle cannot open {program}: {reason}; export the model again"
        ) from error
    source = predictor.get_input_handle(predictor.get_input_names()[0])
    target = predictor.get_output_handle(predictor.get_output_names()[0])

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        source.reshape(batch.shape)
        source.copy_from_cpu(np.ascontiguousarray(batch))
        predictor.run()
        result: NDArray[np.float32] = target.copy_to_cpu()
        return result

    return _adapted(run, spec, batch_size)


def form_of_file(path: Path, dictionary: Path | None = None) -> tuple[Form, RecognizerSpec]:
    """Open an ONNX model or an engine as a form, and tell its spec.

    onnxruntime's CPU provider computes FP16 nodes in FP32, which would hide what they lose, so an
    FP16 model is run with every rounding emulated.

    Args:
        path: the file.
        dictionary: for an ONNX model that carries no characters.

    Raises:
        ArtifactError, EngineError: as `runtime.recognition.session.open_session`.
    """
    if path.suffix.lower() in ENGINE_SUFFIXES:
        engine = open_session(path)
        return EngineForm(str(path), engine), engine.spec
    source = read_recognizer(path, dictionary)
    if source.is_half:
        from export.proof.emulate import emulated_session

        run = session_probabilities(emulated_session(source.model), source.spec)
        return ProbabilityForm(str(path), source.spec, run, is_exact=False), source.spec
    run = onnx_probabilities(path.read_bytes(), source.spec)
    is_exact = not source.is_eight_bit
    return ProbabilityForm(str(path), source.spec, run, is_exact), source.spec
