"""From a `Train` or `Eval` section to a data set, its report and its loader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtime.cpu import available_cpus
from runtime.recognition.charset import Charset
from runtime.recognition.spec import WidthPolicy
from training.data.dataset import LineDataset
from training.data.label_file import SimpleDataSet
from training.data.lmdb_file import LMDBDataSet
from training.data.synthetic import SyntheticDataSet
from training.data.unreadable import MOST_SHARE
from training.recognition.batches import plan_batches, planned_width
from training.recognition.report import DataReport, inspect_source
from training.recognition.transforms import (
    CTCLabelEncode,
    KeepKeys,
    build_transforms,
    check_transforms,
    transform_options,
)
from training.registry import Problem, Registry

EVAL_SEED_OFFSET = 1_000_003
"""Evaluation draws other synthetic lines than training does."""
_RENDERED_LINES_LOOKED_AT = 2000
"""Rendered lines can all be used; these are enough for the report's histograms."""

DATASETS = Registry(
    "dataset",
    {
        "SimpleDataSet": SimpleDataSet,
        "LMDBDataSet": LMDBDataSet,
        "SyntheticDataSet": SyntheticDataSet,
    },
    injected=frozenset({"seed", "characters"}),
    unused=frozenset({"ds_width"}),
)
_SHARED_KEYS = frozenset({"transforms", "ext_op_transform_idx"})


@dataclass(frozen=True)
class LoaderOptions:
    """The `loader` section, with PaddleOCR's names and two of our own.

    Args:
        batch_size_per_card: N.
        shuffle: whether training mixes the lines anew each epoch.
        drop_last: leave out a last incomplete training batch.
        num_workers: processes that decode and augment, at most the CPUs there are.
        width_step: input widths are rounded up to a multiple of this many px; 0 pads every line
            to the width of `image_shape`, as PaddleOCR does.
        max_width: px; a longer line is squeezed. `image_shape`'s width in training and 3200 in
            evaluation, where None.
    """

    batch_size_per_card: int
    shuffle: bool = False
    drop_last: bool = False
    num_workers: int = 0
    width_step: int = 32
    max_width: int | None = None

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Numbers that no loader can have."""
        least = {"batch_size_per_card": 1, "num_workers": 0, "width_step": 0, "max_width": 1}
        return [
            (key, f"expected at least {smallest}, got {options[key]}")
            for key, smallest in least.items()
            if options.get(key) is not None and options[key] < smallest
        ]


LOADERS = Registry(
    "loader section",
    {"loader": LoaderOptions},
    unused=frozenset(
        {"num_sections", "use_shared_memory", "collate_fn", "pin_memory", "persistent_workers"}
    ),
)


def check_data_section(section: object, path: str) -> list[Problem]:
    """Problems of a `Train` or `Eval` section, without touching a file."""
    if not isinstance(section, Mapping) or not isinstance(section.get("dataset"), Mapping):
        return [Problem(path, f"expected a section with dataset and loader, got {section!r}")]
    dataset = section["dataset"]
    own = {key: value for key, value in dataset.items() if key not in _SHARED_KEYS}
    problems = DATASETS.check(own, f"{path}.dataset")
    transforms = dataset.get("transforms")
    problems += check_transforms(transforms, f"{path}.dataset.transforms")
    problems += _check_joining(dataset, transforms, f"{path}.dataset.ext_op_transform_idx")
    return problems + LOADERS.check_options("loader", section.get("loader"), f"{path}.loader")


def _check_joining(dataset: Mapping[str, Any], transforms: Any, path: str) -> list[Problem]:
    """How many transforms a line passes before `RecConAug` joins it to another."""
    count = dataset.get("ext_op_transform_idx", 1)
    names = [next(iter(one), "") for one in transforms or () if isinstance(one, Mapping)]
    most = names.index("RecConAug") if "RecConAug" in names else len(names)
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= max(1, most):
        expected = f"1 to {max(1, most)}, the transforms before RecConAug"
        return [Problem(path, f"expected {expected}, got {count!r}")]
    return []


def image_shape(section: Mapping[str, Any]) -> tuple[int, int, int]:
    """[C, H, W] of a checked section's `RecResizeImg`."""
    options = transform_options(section["dataset"]["transforms"], "RecResizeImg") or {}
    channels, height, width = options["image_shape"]
    return channels, height, width


def loader_options(section: Mapping[str, Any], path: str) -> LoaderOptions:
    """The `loader` of a checked section."""
    built: LoaderOptions = LOADERS.build_options("loader", section["loader"], f"{path}.loader")
    return built


def width_policy_of(section: Mapping[str, Any], path: str, is_training: bool) -> WidthPolicy:
    """Input widths of a checked section's images."""
    options = loader_options(section, path)
    shape_width = image_shape(section)[2]
    if options.width_step == 0:
        return WidthPolicy(shape_width, shape_width, shape_width)
    max_px = options.max_width or (shape_width if is_training else WidthPolicy().max_px)
    return WidthPolicy(options.width_step, min(options.width_step, max_px), max_px)


def deployed_input(section: Mapping[str, Any], path: str) -> tuple[int, WidthPolicy]:
    """Input height in px and width policy of the deployed model, from a checked `Eval` section.

    As in evaluation; where that pads to PaddleOCR's fixed width, no line is narrower than that
    width and longer ones are not squeezed, as PaddleOCR serves.
    """
    _, height, shape_width = image_shape(section)
    options = loader_options(section, path)
    if options.width_step:
        return height, width_policy_of(section, path, is_training=False)
    max_px = options.max_width or WidthPolicy().max_px
    return height, WidthPolicy(min_px=shape_width, max_px=max(shape_width, max_px))


@dataclass(frozen=True)
class DataPart:
    """Everything about one of `Train` and `Eval`.

    Args:
        dataset: the lines.
        report: what was kept and dropped.
        width_policy: input width from the image.
        height: H in px.
        options: the `loader` section.
        keep_keys: what a batch hands to the loss.
        num_workers: processes to load with.
    """

    dataset: LineDataset
    report: DataReport
    width_policy: WidthPolicy
    height: int
    options: LoaderOptions
    keep_keys: tuple[str, ...]
    num_workers: int

    def training_batches(self, epoch: int, num_processes: int = 1) -> list[list[int]]:
        """Indices of each batch of an epoch, for all processes: a pure function of the seed."""
        indices = self.dataset.indices(epoch)
        widths = [
            planned_width(ratio, self.height, self.width_policy)
            for ratio in self.dataset.ratios(indices, epoch)
        ]
        rng = np.random.default_rng([self.dataset.seed, epoch]) if self.options.shuffle else None
        batch_size = self.options.batch_size_per_card * num_processes
        return plan_batches(indices, widths, batch_size, rng, self.options.drop_last)


def build_data(
    section: Mapping[str, Any],
    path: str,
    charset: Charset,
    max_text_length: int,
    seed: int,
    max_unreadable_share: float = MOST_SHARE,
) -> DataPart:
    """Build a checked `Train` or `Eval` section; the section is left as it is.

    Args:
        section: the section.
        path: `Train` or `Eval`.
        charset: K - 1 characters.
        max_text_length: longest label in characters.
        seed: of order, augmentation and rendering.
        max_unreadable_share: of the images, 0 .. 1.

    Raises:
        DatasetError: if the data is missing, too much of it cannot be read, or no line can be
            used.
    """
    is_training = path == "Train"
    config = section["dataset"]
    own = {key: value for key, value in config.items() if key not in _SHARED_KEYS}
    if own["name"] == "SyntheticDataSet":
        own.setdefault("max_text_length", max_text_length)
    part_seed = seed if is_training else seed + EVAL_SEED_OFFSET
    source = DATASETS.build(own, f"{path}.dataset", seed=part_seed, characters=charset.characters)
    width_policy = width_policy_of(section, path, is_training)
    transforms = build_transforms(
        config["transforms"],
        f"{path}.dataset.transforms",
        charset,
        max_text_length,
        width_policy,
    )
    encode = next(one for one in transforms if isinstance(one, CTCLabelEncode))
    report = inspect_source(
        source,
        path,
        charset,
        encode,
        image_shape(section)[1],
        width_policy,
        source.malformed if isinstance(source, SimpleDataSet) else (),
        source.notes if isinstance(source, SimpleDataSet) else (),
        looked_at=_RENDERED_LINES_LOOKED_AT if isinstance(source, SyntheticDataSet) else None,
    )
    report.refuse_unreadable(max_unreadable_share)
    dataset = LineDataset(
        source,
        transforms,
        report.kept,
        is_training,
        part_seed,
        config.get("ext_op_transform_idx", 1),
        {} if isinstance(source, SyntheticDataSet) else report.ratios,
    )
    options = loader_options(section, path)
    return DataPart(
        dataset=dataset,
        report=report,
        width_policy=width_policy,
        height=image_shape(section)[1],
        options=options,
        keep_keys=next(one for one in transforms if isinstance(one, KeepKeys)).keep_keys,
        num_workers=min(options.num_workers, available_cpus()),
    )
