"""Builds a data set, its report and its batches from a `Train` or `Eval` section."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.cpu import available_cpus
from training.data.dataset import SampleDataset
from training.data.label_file import MultiScaleDataSet, SimpleDataSet
from training.data.lmdb_file import LMDBDataSet
from training.data.sampler import SAMPLERS, MultiScaleSampler
from training.data.synthetic import SyntheticDataSet, SyntheticPages
from training.data.unlabelled import UnlabelledDataSet
from training.data.unreadable import MOST_SHARE
from training.registry import Component, Problems, Registry, unknown_name
from training.task import Batching, Report, Task

if TYPE_CHECKING:
    from training.distillation.teacher.contract import Teacher

EVAL_SEED_OFFSET = 1_000_003
"""Evaluation draws other synthetic samples than training does."""

DATASETS = Registry(
    "dataset",
    {
        "SimpleDataSet": SimpleDataSet,
        "MultiScaleDataSet": MultiScaleDataSet,
        "LMDBDataSet": LMDBDataSet,
        "SyntheticDataSet": SyntheticDataSet,
        "SyntheticPages": SyntheticPages,
        "UnlabelledDataSet": UnlabelledDataSet,
        # PaddleOCR's further names of the first two.
        "TextDetDataset": SimpleDataSet,
        "TextRecDataset": SimpleDataSet,
        "MSTextRecDataset": MultiScaleDataSet,
    },
    injected=frozenset({"seed", "characters", "labeller"}),
    unused=frozenset({"ds_width"}),
)
_SHARED_KEYS = frozenset({"transforms", "ext_op_transform_idx"})
_KEYS = ("dataset", "loader", "sampler")


@dataclass(frozen=True)
class LoaderOptions:
    """The `loader` section, with PaddleOCR's names and two of our own.

    Args:
        batch_size_per_card: N.
        shuffle: whether training mixes the samples anew each epoch.
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
        """Report numbers below the least that a loader can have."""
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


@dataclass(frozen=True)
class DataPlan:
    """A `Train` or `Eval` section, checked.

    Args:
        path: `Train` or `Eval`.
        dataset: the source of samples.
        transforms: in order.
        loader: the `loader` section.
        transforms_before_joining: `ext_op_transform_idx`, how many transforms another sample
            passes before it is joined.
        sampler: the `sampler` section; None where the loader alone decides about batches.
        teachers: ONNX files that read these images too.
        labelled_by: the ONNX file that labels those without labels, if there are any.
    """

    path: str
    dataset: Component
    transforms: tuple[Component, ...]
    loader: LoaderOptions
    transforms_before_joining: int = 1
    sampler: MultiScaleSampler | None = None
    teachers: tuple[Teacher, ...] = ()
    labelled_by: Teacher | None = None

    @property
    def is_training(self) -> bool:
        """Tell whether the networks learn from these samples."""
        return self.path == "Train"

    def options_of(self, transform: str) -> Mapping[str, Any] | None:
        """Return the options of the transform of that name, or None when it is not there."""
        return next(
            (component.options for component in self.transforms if component.name == transform),
            None,
        )


def read_data(section: object, path: str, task: type[Task], problems: Problems) -> DataPlan | None:
    """Read a `Train` or `Eval` section without touching a file; None if anything is wrong."""
    if not isinstance(section, Mapping) or not isinstance(section.get("dataset"), Mapping):
        problems.add(path, f"expected a section with dataset and loader, got {section!r}")
        return None
    num_problems = len(problems)
    for key in section.keys() - set(_KEYS):
        problems.add(f"{path}.{key}", unknown_name(f"key of {path}", key, _KEYS))
    dataset = section["dataset"]
    own = {key: value for key, value in dataset.items() if key not in _SHARED_KEYS}
    source = DATASETS.read(own, f"{path}.dataset", problems)
    sampler = _read_sampler(section, path, problems)
    transforms = _read_transforms(section, path, task, problems)
    where = f"{path}.dataset.ext_op_transform_idx"
    before = _read_joining(dataset.get("ext_op_transform_idx", 1), transforms, where, problems)
    loader = LOADERS.read_options("loader", section.get("loader"), f"{path}.loader", problems)
    if len(problems) > num_problems or source is None or loader is None:
        return None
    built = None if sampler is None else sampler.build()
    return DataPlan(path, source, tuple(transforms), loader.build(), before, built)


def _read_sampler(section: Mapping[str, Any], path: str, problems: Problems) -> Component | None:
    """Read the `sampler` of a section; None where there is none, or it cannot be used."""
    name = section["dataset"].get("name")
    if "sampler" not in section:
        if name == MultiScaleDataSet.__name__:
            message = f"{name} takes the sizes of its images from {path}.sampler: expected it, "
            problems.add(f"{path}.dataset.name", f"{message}got none; or use SimpleDataSet")
        return None
    if path != "Train":
        problems.add(f"{path}.sampler", "only Train has a sampler: take it out")
        return None
    return SAMPLERS.read(section["sampler"], f"{path}.sampler", problems)


def _read_transforms(
    section: Mapping[str, Any], path: str, task: type[Task], problems: Problems
) -> list[Component]:
    listed = section["dataset"].get("transforms")
    path = f"{path}.dataset.transforms"
    if not isinstance(listed, list):
        problems.add(path, f"expected a list of transforms, got {listed!r}")
        return []
    entries: list[tuple[str, Mapping[str, Any]]] = []
    components = []
    for index, entry in enumerate(listed):
        if not isinstance(entry, Mapping) or len(entry) != 1:
            message = f"expected one transform with its options, got {entry!r}"
            problems.add(f"{path}.{index}", message)
            continue
        ((name, options),) = entry.items()
        entries.append((name, options or {}))
        where = f"{path}.{index}.{name}"
        component = task.transforms.read_options(name, options, where, problems)
        if component is not None:
            components.append(component)
    for message in task.problems_of_transforms(entries, is_sized="sampler" in section):
        problems.add(path, message)
    return components


def _read_joining(
    count: object, transforms: Sequence[Component], path: str, problems: Problems
) -> int:
    """Read how many transforms a sample passes before another is joined to it."""
    joining = [getattr(transform.builder, "joins", False) for transform in transforms]
    most = max(1, joining.index(True) if True in joining else len(transforms))
    if type(count) is int and 1 <= count <= most:
        return count
    expected = f"expected 1 to {most}, the transforms before the one that joins samples"
    problems.add(path, f"{expected}; got {count!r}")
    return 1


def problems_of_files(part: DataPlan) -> Iterable[tuple[str, str]]:
    """Find label files and folders that are not there."""
    options = part.dataset.options
    files = options.get("label_file_list", [])
    for index, file in enumerate([files] if isinstance(files, str) else files):
        if not Path(str(file)).is_file():
            where = f"{part.path}.dataset.label_file_list.{index}"
            yield where, f"no file {file}: expected a label file"
    images = options.get("images", [])
    for index, name in enumerate([images] if isinstance(images, str) else images):
        path = str(name).removeprefix("@")
        if not os.path.lexists(path) and not has_magic(path):
            where = f"{part.path}.dataset.images.{index}"
            yield where, f"nothing there: {path}: expected images, folders of them or a list"
    if "data_dir" in options and not Path(str(options["data_dir"])).is_dir():
        message = f"no folder {options['data_dir']}: expected the images' folder"
        yield f"{part.path}.dataset.data_dir", message


@dataclass(frozen=True)
class DataPart:
    """Everything about one of `Train` and `Eval`.

    Args:
        plan: its section.
        dataset: the samples.
        report: what was kept and dropped.
        batching: how samples become batches.
        num_workers: processes to load with.
    """

    plan: DataPlan
    dataset: SampleDataset
    report: Report
    batching: Batching
    num_workers: int


def build_data(
    plan: DataPlan, task: Task, seed: int, max_unreadable_share: float = MOST_SHARE
) -> DataPart:
    """Build a `Train` or `Eval` section.

    Args:
        plan: the section.
        task: of the config.
        seed: of order, augmentation and rendering.
        max_unreadable_share: of the images, 0 .. 1.

    Raises:
        DatasetError: if the data is missing, too much of it cannot be read, or no sample can be
            used.
    """
    part_seed = seed if plan.is_training else seed + EVAL_SEED_OFFSET
    source = plan.dataset.build(seed=part_seed, **task.supplied_to(plan))
    transforms = task.transforms_of(plan)
    report = task.report_on(plan, source, transforms)
    report.refuse_unreadable(max_unreadable_share)
    dataset = SampleDataset(
        source,
        transforms,
        report.kept,
        plan.is_training,
        part_seed,
        plan.transforms_before_joining,
    )
    return DataPart(
        plan=plan,
        dataset=dataset,
        report=report,
        batching=task.batching(plan, dataset, report),
        num_workers=min(plan.loader.num_workers, available_cpus()),
    )
