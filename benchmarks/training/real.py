"""Times training steps on labelled lines, data loading included; ends in one JSON line.

python -m benchmarks.training.real '<settings as JSON>'

The batches are an epoch's own; of them the timed ones stand at even distances from the
narrowest to the widest, so that a few steps see the width distribution of all. They run in the
epoch's order.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.training.settings import OURS, StepSettings
from runtime.errors import DatasetError
from runtime.recognition.charset import build_charset
from runtime.recognition.labels import labelled_images

if TYPE_CHECKING:
    from training.data.build import DataPart
    from training.data.planned import PlannedBatch

BY_WIDTH, FIXED_WIDTH = "width-aware", "fixed-width"
WIDTH_STEP_PX = {BY_WIDTH: 32, FIXED_WIDTH: 0}
_LABEL_FILES = ("train.tsv", "train_list.txt", "train.txt", "labels.txt")


@dataclass(frozen=True)
class RealSettings:
    """One variant's work.

    Args:
        variant: one of `WIDTH_STEP_PX`.
        label_files: `path<TAB>text`, paths relative to the file's folder.
        pair: sizes of the networks, N, widest width, steps, warm-up, seed; K follows from the
            labels.
        num_workers: processes that decode and augment.
        max_text_length: longer labels are left out.
    """

    variant: str
    label_files: tuple[str, ...]
    pair: StepSettings
    num_workers: int
    max_text_length: int

    def to_json(self) -> str:
        """Return the settings as one argument of a command."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> RealSettings:
        """Read the settings that `to_json` returned."""
        given = json.loads(text)
        pair, files = StepSettings(**given.pop("pair")), tuple(given.pop("label_files"))
        return cls(pair=pair, label_files=files, **given)


def label_file_of(path: Path) -> Path:
    """Return a label file itself, or the training label file of a folder.

    Raises:
        DatasetError: if there is none.
    """
    candidates = [path] if path.is_file() else [path / name for name in _LABEL_FILES]
    for candidate in candidates:
        if candidate.is_file():
            return candidate.resolve()
    raise DatasetError(
        f"--real {path}: expected a label file, or a folder with one of "
        f"{', '.join(_LABEL_FILES)}, got neither; give the label file itself"
    )


def spread_batches(
    batches: Sequence[Sequence[int]], widths: Sequence[float], count: int
) -> list[int]:
    """Choose `count` batches at even distances by width; return their positions in order.

    Args:
        batches: of an epoch.
        widths: of each batch, any unit.
        count: a batch is taken again when there are fewer.
    """
    by_width = np.argsort(np.asarray(widths), kind="stable")
    middles = ((np.arange(count) + 0.5) * len(batches) / count).astype(int)
    return sorted(int(position) for position in by_width[middles])


def _build_data(settings: RealSettings, folder: Path) -> tuple[DataPart, int]:
    """Build the training part of the benchmark's config on these lines; return it and K."""
    from benchmarks.training.paddle_pair import benchmark_config
    from training.data.build import build_data, read_data
    from training.recognition.task import RecognitionTask
    from training.registry import Problems

    lines = [pair for file in settings.label_files for pair in labelled_images(Path(file))]
    characters = sorted(
        {character for _, text in lines for character in text if not character.isspace()}
    )
    dictionary, labels = folder / "characters.txt", folder / "lines.tsv"
    dictionary.write_text("\n".join(characters) + "\n", encoding="utf-8")
    labels.write_text("".join(f"{path}\t{text}\n" for path, text in lines), encoding="utf-8")
    sections = benchmark_config(settings.pair).sections
    train = sections["Train"]
    train["dataset"] |= {"data_dir": "/", "label_file_list": [str(labels)]}
    train["loader"] |= {
        "batch_size_per_card": settings.pair.batch_size,
        "num_workers": settings.num_workers,
        "width_step": WIDTH_STEP_PX[settings.variant],
    }
    for transform in train["dataset"]["transforms"]:
        if "RecResizeImg" in transform:
            transform["RecResizeImg"]["image_shape"][2] = settings.pair.width_px
    charset = build_charset(dictionary, use_space_char=True)
    task = RecognitionTask(charset, settings.max_text_length)
    problems = Problems()
    plan = read_data(train, "Train", RecognitionTask, problems)
    problems.raise_any()
    assert plan is not None
    return build_data(plan, task, settings.pair.seed), charset.num_classes


def measure(settings: RealSettings) -> dict[str, Any]:
    """Time steps of the pair on lines that the loader brings."""
    from training.process_settings import apply_process_settings

    summary = apply_process_settings().summary()
    with tempfile.TemporaryDirectory() as folder:
        part, classes = _build_data(settings, Path(folder))
        pair = StepSettings(**{**asdict(settings.pair), "classes": classes, "contender": OURS})
        planned = part.batching.plan(0)
        ratios = [
            float(np.mean([part.dataset.source.ratio(index, 0) for index in batch]))
            for batch in planned
        ]
        chosen = spread_batches(planned, ratios, pair.steps)
        # Before the clock come the widest ones: memory and workers have settled then.
        before = [int(np.argmax(ratios))] * (max(1, pair.warmup) + 2 * part.num_workers)
        batches = [planned[position] for position in [*before, *chosen]]
        timed = list(_steps(part, batches, pair))[len(before) :]
    return {**_figures(timed), "classes": classes, "lines": len(part.dataset.usable),
            "num_workers": part.num_workers, "settings": summary}  # fmt: skip


def _steps(
    part: DataPart, batches: list[PlannedBatch], pair: StepSettings
) -> Iterator[dict[str, float]]:
    """Train on the batches as the training loop does; yields what each took."""
    from benchmarks.training.paddle_pair import build_pair
    from training.data.loader import Loader
    from training.data.sample import Sample
    from training.loop.parallel import Group
    from training.loop.trainer import tensors_of

    learner = build_pair(pair)
    batching = part.batching.fitted_to(learner.model.networks["Student"])
    with Loader(part.dataset, part.num_workers) as loader:
        started = time.perf_counter()
        for loaded in loader.load(batches, 0):
            arrived = time.perf_counter()
            samples = [sample for sample in loaded if isinstance(sample, Sample)]
            if len(samples) < len(loaded):
                raise DatasetError(
                    f"{len(loaded) - len(samples)} lines of a batch could not be loaded: expected "
                    "all of them, got failures; check the images of the label files"
                )
            batch = batching.training_batch(samples, Group())
            learner.step(tensors_of(batch))
            ended = time.perf_counter()
            yield {
                "images": len(samples),
                "width_px": batch.arrays["image"].shape[3],
                "waited_s": arrived - started,
                "step_s": ended - started,
            }
            started = time.perf_counter()


def _figures(steps: list[dict[str, float]]) -> dict[str, Any]:
    """Return the rate over all steps together, since widths differ; widths; share of waiting."""
    seconds = sum(step["step_s"] for step in steps)
    widths = [step["width_px"] for step in steps]
    return {
        "images_per_s_each": [round(sum(step["images"] for step in steps) / seconds, 4)],
        "waiting_share": round(sum(step["waited_s"] for step in steps) / seconds, 4),
        "mean_width_px": round(float(np.mean(widths)), 1),
        "widths_px": [int(width) for width in widths],
        "step_s": [round(step["step_s"], 5) for step in steps],
    }


if __name__ == "__main__":
    print(json.dumps(measure(RealSettings.from_json(sys.argv[1]))))
