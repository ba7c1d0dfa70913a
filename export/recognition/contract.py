"""A text recogniser's contract with export by its spec: samples, comparison, engine; no paddle."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray

from export.proof.outputs import Outputs
from export.proof.samples import Batch, Samples
from export.recognition.ranges import ranges_for
from export.recognition.samples import LineBatch, Lines, rendered_lines
from export.trial import session_on_trial
from runtime.engines import Engine
from runtime.engines.tensors import Profile, ShapeRange, TensorInfo
from runtime.errors import ArtifactError, EngineError, OcrError
from runtime.recognition.best_path_session import BestPathSession, line_profile
from runtime.recognition.ctc import best_path, decode_best_path, softmax
from runtime.recognition.labels import Labels
from runtime.recognition.preprocess import Image
from runtime.recognition.score_session import ScoreSession
from runtime.recognition.spec import BILINEAR, RecognizerSpec

log = logging.getLogger("export")


@dataclass(frozen=True)
class RecognizerContract:
    """A `ModelContract` of text recognition.

    Args:
        spec: of the model.
    """

    spec: RecognizerSpec
    post_processes = ("CTCLabelDecode", "DistillationCTCLabelDecode")
    """PaddleOCR's names of what decodes such a network."""
    agreed_fields = ("characters", "height", "channels", "color_order", "mean", "std", "resize")

    @staticmethod
    def takes(inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]) -> bool:
        """Tell by its ends whether a network that says nothing of its task is a recogniser."""
        return len(outputs) == 1 and len(outputs[0].shape or ()) == 3

    @staticmethod
    def opened(engine: Engine, dictionary: Path | None) -> tuple[RecognizerSpec, str]:
        """Let an open network read one blank line, before anything is built on it.

        Returns:
            its spec, and the order of its output, empty for [N, T, K] with the blank first.

        Raises:
            ArtifactError: if it is no recogniser, cannot read, or gives what is not a number.
        """
        session = ScoreSession(engine, dictionary)
        spec = session.spec
        line = np.zeros((spec.height, 1, spec.channels), np.uint8)
        try:
            session.read([line], spec.width.input_width(1))
        except EngineError as error:
            raise ArtifactError(str(error)) from error
        if session.layout.is_canonical:
            return spec, ""
        blank = "last" if session.layout.is_blank_last else "first"
        return spec, f"[{', '.join(session.layout.letters)}], blank {blank}"

    def samples(self, images: Sequence[Image], samples_from: str) -> Lines:
        """Bring lines to the network's height."""
        return Lines.of(images, self.spec, samples_from)

    def rendered(self) -> tuple[list[Image], str]:
        """Render lines of the model's characters."""
        return rendered_lines(self.spec.charset)

    def extremes(self, images: Sequence[Image]) -> list[Image]:
        """Put lines one behind the other, to a line as long as the network takes."""
        policy, height = self.spec.width, self.spec.height
        if not images or policy.min_px == policy.max_px:
            return []
        pieces, width_px = [], 0
        for image in itertools.cycle(images):
            ratio = height / image.shape[0]
            size = (max(1, round(image.shape[1] * ratio)), height)
            pieces.append(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR))
            width_px += size[0]
            if width_px >= policy.max_px:
                break
        return [np.ascontiguousarray(np.hstack(pieces)[:, : policy.max_px])]

    def probabilities(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return scores as probabilities, float32 [N, T, K]."""
        return scores if self.spec.output_activation == "softmax" else softmax(scores)

    def outputs(self, scores: NDArray[np.float32], num_samples: int, where: str) -> Outputs:
        """Take the best class of every time step, and decode."""
        if scores.ndim != 3 or scores.shape[0] != num_samples:
            raise ArtifactError(
                f"{where}: not a CTC recogniser: expected [N, T, K] for {num_samples} lines, got "
                f"{list(scores.shape)}; give a text recognition model"
            )
        probabilities = self.probabilities(scores)
        classes, confidences = best_path(probabilities)
        return Outputs(probabilities, classes, self._texts(classes, confidences), True)

    def margins(self, expected: Outputs, got: Outputs) -> NDArray[np.float64]:
        """Tell by how much the reference preferred its class, at the most disputed time step."""
        margins = np.zeros(len(expected.decisions))
        for row, (ours, theirs) in enumerate(zip(expected.decisions, got.decisions, strict=True)):
            steps = np.flatnonzero(ours != theirs)
            if steps.size:
                probabilities = expected.values[row, steps]
                places = np.arange(steps.size)
                preferred = probabilities[places, ours[steps]]
                margins[row] = (preferred - probabilities[places, theirs[steps]]).max()
        return margins

    def labelled(self, labels: Path) -> Sequence[str]:
        """Read PaddleOCR's label file; return the paths of its images."""
        return Labels(labels).paths

    def truth(self, labels: Path, names: Sequence[str]) -> list[str | None]:
        """Read PaddleOCR's label file; return the text of each image, None without one."""
        read = Labels(labels)
        return [read.text_of(name) for name in names]

    def accuracy(self, readings: Sequence[str], truth: Sequence[str]) -> dict[str, float]:
        """Return the share read exactly and 1 - mean normalised edit distance, spaces counted."""
        try:
            from training.recognition.metrics import RecMetric
        except ImportError as error:
            raise OcrError(
                f"accuracy cannot be told here ({error}): pip install 'distilrec[train]'"
            ) from error
        metric = RecMetric(ignore_space=False)
        return metric(([(text, 1.0) for text in readings], [(text, 1.0) for text in truth]))

    def engine_graph(self, model: onnx.ModelProto) -> onnx.ModelProto:
        """Put normalisation before the network and the CTC reduction after it."""
        from export.recognition.engine_graph import engine_graph

        return engine_graph(model, self.spec)

    def ranges(
        self,
        asked: Mapping[str, str],
        samples: Samples | None = None,
        buckets: Sequence[int] | None = None,
        fixed_batch: int | None = None,
    ) -> tuple[ShapeRange, ...]:
        """Choose shapes of the input, the usual width tuned for."""
        widths_px = samples.widths_px if isinstance(samples, Lines) else ()
        return ranges_for(self.spec, asked, widths_px, buckets, fixed_batch)

    def profile(self, shapes: ShapeRange) -> Profile:
        """Return what the engine graph takes."""
        return line_profile(shapes)

    def engine_form(
        self, plan: Path, device_id: int = 0
    ) -> tuple[BestPathForm, RecognizerContract]:
        """Open a plan; return it, and the contract with the widths that it takes."""
        session = session_on_trial(plan, device_id, BestPathSession)
        limited = replace(self.spec, width=session.spec.width)
        return BestPathForm(str(plan), session), RecognizerContract(limited)

    @staticmethod
    def session_form(
        name: str, engine: Engine, is_exact: bool, dictionary: Path | None = None
    ) -> LineForm:
        """Return an open engine on the CPU as a form that reads as the runtime does."""
        return LineForm(name, ScoreSession(engine, dictionary), is_exact)

    def side_files(self, model_name: str) -> Mapping[str, str]:
        """Return the `inference.yml` that PaddleOCR 3 and PaddleX read."""
        from export.recognition.inference_yml import inference_yml

        if self.spec.resize != BILINEAR:
            log.warning(
                "inference.yml: PaddleOCR resizes lines bilinearly, this model was trained with "
                "%s: tall lines may read worse there",
                self.spec.resize,
            )
        return {"inference.yml": inference_yml(self.spec, model_name)}

    def write_triton(self, folder: Path, name: str, model: bytes, batch_size: int | None) -> None:
        """Write a model into a Triton model repository."""
        from export.recognition.triton import write_repository

        write_repository(folder, name, model, self.spec, batch_size)

    def _texts(self, classes: NDArray[np.int64], confidences: NDArray[np.float32]) -> list[str]:
        return [line.text for line in decode_best_path(classes, confidences, self.spec.charset)]


@dataclass(frozen=True)
class LineForm:
    """A session that gives all probabilities.

    Args:
        name: for reports.
        session: it, opened.
        is_exact: whether it computes in FP32 throughout.
    """

    name: str
    session: ScoreSession
    is_exact: bool

    def read(self, batch: Batch) -> Outputs:
        """Read one batch of lines as they are, as many at once as the runtime does."""
        assert isinstance(batch, LineBatch)
        session = self.session
        read = session.read_with_probabilities(batch.lines, batch.width_px)
        classes, confidences, probabilities = read
        decoded = decode_best_path(classes, confidences, session.spec.charset)
        return Outputs(probabilities, classes, [line.text for line in decoded], is_whole=True)

    def close(self) -> None:
        """Let go of the network."""
        self.session.close()


@dataclass(frozen=True)
class BestPathForm:
    """An engine, of which the best path alone is known.

    Args:
        name: the file.
        session: it, opened.
    """

    name: str
    session: BestPathSession
    is_exact: bool = False

    def read(self, batch: Batch) -> Outputs:
        """Run one batch of lines as they are."""
        assert isinstance(batch, LineBatch)
        classes, confidences = self.session.read(batch.lines, batch.width_px)
        charset = self.session.spec.charset
        texts = [line.text for line in decode_best_path(classes, confidences, charset)]
        return Outputs(confidences, classes, texts, is_whole=False)

    def close(self) -> None:
        """Let go of the engine."""
        self.session.close()
