"""A text detector's contract with export by its spec: pages, comparison, engine; no paddle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from export.detection.labels import accuracy_of, pages_labelled, readings_of_labels
from export.detection.ranges import ranges_for, sides_of
from export.detection.readings import FoundBoxes, PageReading
from export.detection.samples import PageBatch, Pages, rendered_pages
from export.proof.outputs import Outputs
from export.proof.samples import Batch, Samples
from export.trial import session_on_trial
from runtime.detection.map_session import MapSession
from runtime.detection.model.ends import may_be_detector
from runtime.detection.pixel_session import PixelSession
from runtime.detection.preprocess import Image
from runtime.detection.session import PIXELS, DetectionSession
from runtime.detection.sizes import SizeRange, SizesWithin
from runtime.detection.spec import DetectorSpec
from runtime.engines import Engine
from runtime.engines.tensors import Profile, ShapeRange, TensorInfo
from runtime.errors import ArtifactError

_LARGEST_PX = 2048
"""Of a side of the largest page that forms are compared on."""


@dataclass(frozen=True)
class DetectorContract:
    """A `ModelContract` of text detection.

    Args:
        spec: of the model.
        size_ranges: heights and widths that a form takes; empty where it takes all.
    """

    spec: DetectorSpec
    size_ranges: Sequence[SizeRange] = ()
    post_processes = ("DBPostProcess", "DistillationDBPostProcess")
    """PaddleOCR's names of what decodes such a network."""
    agreed_fields = ("boxes", "color_order", "scale", "mean", "std")

    @staticmethod
    def takes(inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]) -> bool:
        """Tell by its ends whether a network that says nothing of its task is a detector."""
        return may_be_detector(inputs, outputs)

    @staticmethod
    def opened(engine: Engine, dictionary: Path | None) -> tuple[DetectorSpec, str]:
        """Let an open network look at one page, before anything is built on it.

        Returns:
            its spec, and what its output is instead of probabilities [N, 1, H, W], empty if that.

        Raises:
            ArtifactError: if it is no detector, or a dictionary is given.
        """
        if dictionary is not None:
            raise ArtifactError(
                f"{engine.path} finds text and has no characters: expected no dictionary, got "
                f"{dictionary}; leave --dictionary out"
            )
        session = MapSession(engine)
        return session.spec, "logits" if session.has_logits else ""

    @property
    def _sizes(self) -> SizesWithin:
        return SizesWithin(self.spec.sizes, self.size_ranges)

    def samples(self, images: Sequence[Image], samples_from: str) -> Pages:
        """Bring pages to the network's input size."""
        return Pages.of(images, self.spec, self._sizes, samples_from)

    def rendered(self) -> tuple[list[Image], str]:
        """Render pages."""
        return rendered_pages()

    def extremes(self, images: Sequence[Image]) -> list[Image]:
        """Lay pages side by side and under each other, to one as large as the network takes."""
        sides = sides_of(self.spec.sizes)
        if not images or sides.least == sides.most:
            return []
        height, width = (min(side, _LARGEST_PX) for side in sides.most)
        image = images[0]
        times = (-(-height // image.shape[0]), -(-width // image.shape[1]), 1)
        return [np.ascontiguousarray(np.tile(image, times)[:height, :width])]

    def probabilities(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the network emits, which are probabilities, float32 [N, 1, H, W]."""
        return scores

    def outputs(self, scores: NDArray[np.float32], num_samples: int, where: str) -> Outputs:
        """Tell text from what is none at every pixel, and find boxes."""
        if scores.ndim != 4 or scores.shape[:2] != (num_samples, 1):
            raise ArtifactError(
                f"{where}: not a text detector: expected [N, 1, H, W] for {num_samples} pages, got "
                f"{list(scores.shape)}; give a text detection model"
            )
        options = self.spec.boxes
        with np.errstate(invalid="ignore"):
            is_text = scores[:, 0].astype(np.float32) > np.float32(options.thresh)
        return Outputs(scores, is_text, FoundBoxes(scores[:, 0], options), True)

    def margins(self, expected: Outputs, got: Outputs) -> NDArray[np.float64]:
        """Tell how far from the threshold the reference was, at the most disputed pixel."""
        distances = np.abs(expected.values[:, 0] - np.float64(self.spec.boxes.thresh))
        disputed = np.where(expected.decisions != got.decisions, distances, 0.0)
        largest: NDArray[np.float64] = disputed.reshape(len(disputed), -1).max(axis=1)
        return largest

    def labelled(self, labels: Path) -> Sequence[str]:
        """Read PaddleOCR's label file; return the paths of its images."""
        return pages_labelled(labels)

    def truth(self, labels: Path, names: Sequence[str]) -> list[Any]:
        """Read PaddleOCR's label file; return the boxes of each image, None without a label."""
        return readings_of_labels(labels, names, self._sizes)

    def accuracy(
        self, readings: Sequence[PageReading], truth: Sequence[PageReading]
    ) -> dict[str, float]:
        """Return precision, recall and hmean."""
        return accuracy_of(readings, truth)

    def engine_graph(self, model: onnx.ModelProto) -> onnx.ModelProto:
        """Put normalisation before the network."""
        from export.detection.engine_graph import engine_graph

        return engine_graph(model, self.spec)

    def ranges(
        self,
        asked: Mapping[str, str],
        samples: Samples | None = None,
        buckets: Sequence[int] | None = None,
        fixed_batch: int | None = None,
    ) -> tuple[ShapeRange, ...]:
        """Choose shapes of the input, the usual size tuned for."""
        sizes_px = samples.sizes_px if isinstance(samples, Pages) else ()
        return ranges_for(self.spec, asked, sizes_px, buckets, fixed_batch)

    def profile(self, shapes: ShapeRange) -> Profile:
        """Return what the engine graph takes."""
        in_order = (shapes.min, shapes.opt, shapes.max)
        return {PIXELS: ShapeRange(*((n, height, width, c) for n, c, height, width in in_order))}

    def engine_form(self, plan: Path, device_id: int = 0) -> tuple[PixelForm, DetectorContract]:
        """Open a plan; return it, and the contract with the sizes that it takes."""
        session = session_on_trial(plan, device_id, PixelSession)
        limited = DetectorContract(self.spec, session.size_ranges)
        return PixelForm(str(plan), session, limited), limited

    @staticmethod
    def session_form(
        name: str, engine: Engine, is_exact: bool, dictionary: Path | None = None
    ) -> PixelForm:
        """Return an open engine on the CPU as a form that finds text as the runtime does."""
        session = MapSession(engine)
        limited = DetectorContract(session.spec, session.size_ranges)
        return PixelForm(name, session, limited, is_exact)

    def side_files(self, model_name: str) -> Mapping[str, str]:
        """Return the `inference.yml` that PaddleOCR 3 and PaddleX read."""
        from export.detection.inference_yml import inference_yml

        return {"inference.yml": inference_yml(self.spec, model_name)}

    def write_triton(self, folder: Path, name: str, model: bytes, batch_size: int | None) -> None:
        """Write a model into a Triton model repository."""
        from export.detection.triton import write_repository

        write_repository(folder, name, model, self.spec, batch_size)


@dataclass(frozen=True)
class PixelForm:
    """A session.

    Args:
        name: the file, or what else says which it is.
        session: it, opened.
        contract: of the network.
        is_exact: whether it computes in FP32 throughout.
    """

    name: str
    session: DetectionSession
    contract: DetectorContract
    is_exact: bool = False

    def read(self, batch: Batch) -> Outputs:
        """Run one batch of pages as they are."""
        assert isinstance(batch, PageBatch)
        maps = self.session.maps(batch.pages)
        return self.contract.outputs(maps[:, np.newaxis], len(maps), self.name)

    def close(self) -> None:
        """Let go of the engine."""
        self.session.close()
