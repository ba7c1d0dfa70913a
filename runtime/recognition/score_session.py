"""Networks that take normalised lines and emit scores of every class, as they are exported."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runtime.cpu import sums_8_bit_exactly
from runtime.engines import Engine
from runtime.engines.tensors import full_parts
from runtime.errors import ArtifactError, EngineError
from runtime.recognition.charset import listed_in
from runtime.recognition.ctc import best_path, best_path_of_logits, softmax
from runtime.recognition.model.ends import Ends, ends_of
from runtime.recognition.model.layout import OutputLayout
from runtime.recognition.model.spec_of_model import ModelFacts, spec_of_model
from runtime.recognition.model.told import Told
from runtime.recognition.preprocess import Image, batch_from_lines
from runtime.recognition.spec import CHARACTER_KEY, RecognizerSpec
from runtime.spec import MAX_METADATA_LENGTH

logger = logging.getLogger(__name__)

_MOST_PROBABLE = 1.01
"""Probabilities may lie above 1 by what FP16 rounds, and by no more."""


class ScoreSession:
    """A `ProbabilitySession` that normalises lines, runs a network and finds the best classes.

    Args:
        engine: open; closed with the session.
        dictionary: as `open_session`.
        told: what a person says of a model that carries no spec.

    Raises:
        ArtifactError: if the file is damaged, no recogniser, or contradicts its characters.
    """

    def __init__(
        self,
        engine: Engine,
        dictionary: str | Path | None = None,
        told: Told | None = None,
    ) -> None:
        self.engine = engine
        self._path = engine.path
        self.layout = OutputLayout()
        """How the network's output stands to [N, T, K] with the blank first."""
        facts = self._facts(told or Told())
        self._fixed_batch = facts.input_shape[0]
        self.spec, self.layout = spec_of_model(facts, dictionary, told)
        self._check_names(facts)
        self.num_lanes = engine.num_lanes
        self.lines_at_once = engine.samples_at_once
        if engine.is_on_cpu:
            self._warn_of_saturation()
        else:
            logger.info(
                "%s: the scores of all %d classes come back from the GPU; less does with: python "
                "-m export graph --onnx %s",
                *(self._path, self.spec.num_classes, self._path),
            )

    @property
    def ends(self) -> Ends:
        """Input and output of the network."""
        return self._ends

    @property
    def description(self) -> str:
        """Engine, version, device and threads."""
        return self.engine.description

    def read(
        self, lines: Sequence[Image], width_px: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Find the best class of every time step; see `Session.read`."""
        read = [self.run(batch) for batch in self._batches(lines, width_px)]
        if len(read) == 1:
            return read[0]
        return (
            np.concatenate([indices for indices, _ in read]),
            np.concatenate([values for _, values in read]),
        )

    def read_with_probabilities(
        self, lines: Sequence[Image], width_px: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
        """Read, and return the probabilities of every class too."""
        parts = [self._run(batch) for batch in self._batches(lines, width_px)]
        indices, values, scores = (np.concatenate(part) for part in zip(*parts, strict=True))
        probabilities = softmax(scores) if self._has_logits else scores
        return indices, values, probabilities.astype(np.float32, copy=False)

    def run(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Read lines that are normalised and padded already, all at once.

        Args:
            batch: float32 [N, C, H, W].
        """
        indices, values, _ = self._run(batch)
        return indices, values

    def close(self) -> None:
        """Let go of the network."""
        self.engine.close()

    def _batches(self, lines: Sequence[Image], width_px: int) -> Iterator[NDArray[np.float32]]:
        """The lines normalised and padded, as many at once as the network takes."""
        size = self.lines_at_once or len(lines)
        for start in range(0, len(lines), size):
            part = lines[start : start + size]
            yield batch_from_lines(part, width_px, self.spec.mean, self.spec.std)

    @property
    def _has_logits(self) -> bool:
        return self.spec.output_activation == "none"

    def _run(
        self, batch: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
        """Largest class, its probability, and what the network emitted, [N, T, K]."""
        scores = self._scores(batch)
        best = best_path_of_logits if self._has_logits else best_path
        with np.errstate(invalid="ignore"):
            indices, values = best(scores)
        if not np.isfinite(values).all():
            raise EngineError(
                f"{self._path}: the network emitted values that are not finite for an input of "
                f"{list(batch.shape)}; use its FP32 form"
            )
        if not self._has_logits and values.size and values.max() > _MOST_PROBABLE:
            raise EngineError(
                f"{self._path}: the network emitted no probabilities: expected values up to 1, as "
                f"its spec says, got {values.max():.3g}; export or adopt the model again"
            )
        return indices, values.astype(np.float32, copy=False), scores

    def _scores(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the network makes of N lines, [N, T, K] with the blank first."""
        parts = [batch] if self._fixed_batch is None else full_parts(batch, self._fixed_batch)
        outputs = []
        for part in parts:
            scores = self.layout.canonical(self._output(part))
            # Before anything is cut: what fills up a fixed batch must not hide another order.
            if scores.ndim != 3 or scores.shape[0] != part.shape[0]:
                raise EngineError(
                    f"{self._path}: expected an output [N, T, K] for an input of "
                    f"{list(part.shape)}, got {list(scores.shape)}; if its order is another one, "
                    f"give the file it was made from: python -m export adopt FILE --output NEW.onnx"
                )
            outputs.append(scores)
        if len(outputs) == 1:
            return outputs[0][: batch.shape[0]]
        return np.concatenate(outputs)[: batch.shape[0]]

    def _output(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """The network's output as it is, in float32."""
        ends = self._ends
        fed = batch.astype(np.float16) if ends.is_half_input else batch
        outputs = self.engine.run({ends.input_name: fed}, [ends.output_name])
        return outputs[ends.output_name].astype(np.float32, copy=False)

    def _facts(self, told: Told) -> ModelFacts:
        where = str(self._path)
        metadata = self.engine.metadata
        spec = RecognizerSpec.from_metadata(metadata, where)
        output_name = told.output_name if spec is None else spec.output_name
        ends = self._ends = ends_of(self.engine.inputs, self.engine.outputs, where, output_name)
        if spec is not None and ends.declared_batch_axis not in (None, 0):
            raise ArtifactError(
                f"{where}: the spec in its metadata and the network disagree: expected an output "
                f"[N, T, K], got one whose dimension {ends.declared_batch_axis} is the batch; "
                "adopt the file it was made from again: python -m export adopt FILE --output NEW"
            )
        characters = metadata.get(CHARACTER_KEY, "")
        if len(characters) > MAX_METADATA_LENGTH:
            raise ArtifactError(
                f"{where}: its metadata `{CHARACTER_KEY}` is no list of characters: expected up "
                f"to {MAX_METADATA_LENGTH} of them, got {len(characters)}; give the list that the "
                "model was trained with"
            )
        listed = None
        if characters and spec is None:
            listed = listed_in(characters, f"{where}: its metadata `{CHARACTER_KEY}`")
        shape = ends.output_shape
        return ModelFacts(
            where=where,
            spec=spec,
            listed=listed,
            input_name=ends.input_name,
            output_name=ends.output_name,
            input_shape=ends.input_shape,
            num_classes=shape[-1] if shape and len(shape) == 3 else None,
            run=self._output,
        )

    def _warn_of_saturation(self) -> None:
        precision = self.spec.provenance.get("precision")
        is_eight_bit = isinstance(precision, Mapping) and precision.get("achieved") == "int8"
        if is_eight_bit and sums_8_bit_exactly() is False:
            logger.warning(
                "%s is 8-bit and this CPU sums 8-bit products inexactly (it lacks VNNI): it may "
                "read worse than where it was judged; take the FP32 model here, or compare them: "
                "python -m export verify FP32.onnx %s --images …",
                *(self._path, self._path.name),
            )

    def _check_names(self, facts: ModelFacts) -> None:
        named = (self.spec.input_name, self.spec.output_name)
        if named != (facts.input_name, facts.output_name):
            raise ArtifactError(
                f"{self._path}: the spec in its metadata and the network disagree: expected "
                f"tensors {' -> '.join(named)}, got {facts.input_name} -> {facts.output_name}; "
                "export the model again"
            )
