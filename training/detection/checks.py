"""Checks that the parts of a detector fit each other, its data and its losses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from runtime.detection.preprocess import STRIDE_PX
from runtime.errors import OcrError
from training.detection.necks import NECKS
from training.detection.teacher.page_teacher import PageTeacher
from training.detection.transforms import CROPS, EVALUATION_KEYS, TRAINING_KEYS

if TYPE_CHECKING:
    from training.data.build import DataPlan
    from training.losses import LossPart
    from training.networks import ModelPlan
    from training.plan import Plan

_SUPPLIED = frozenset({"seed", "labeller"})
"""Parameters of data sets that the task or the program supplies."""
Found = Iterator[tuple[str, str]]
"""Path or key, and message, of each problem."""
_AUXILIARY_WEIGHTS = ("aux_weight_p4", "aux_weight_p3", "aux_weight_p2")


def problems_of_parts(section: Mapping[str, Any]) -> Found:
    """Find a network's parts that do not fit each other.

    Args:
        section: of the network.

    Yields:
        Key and message of each problem.
    """
    neck, head = section.get("Neck"), section.get("Head")
    if neck is None:
        yield (
            "Neck",
            "a detector's head takes features of four scales joined: expected a Neck, got none",
        )
        return
    if not isinstance(neck, Mapping) or not isinstance(head, Mapping):
        return
    channels = head.get("aux_in_channels", 0)
    if not isinstance(channels, int) or channels <= 0:
        return
    serves = getattr(NECKS.builders.get(str(neck.get("name"))), "outputs", ())
    if not serves:
        yield (
            "Head.aux_in_channels",
            f"{neck.get('name')} gives auxiliary heads nothing to learn from: expected 0, got "
            f"{channels}; or take RepLKFPN or RepLKPAN",
        )
    elif channels != neck.get("out_channels"):
        yield (
            "Head.aux_in_channels",
            f"expected {neck.get('out_channels')}, the Neck's out_channels, got {channels}",
        )


def problems_of_plan(plan: Plan) -> Iterable[tuple[str, str]]:
    """Find sections of a config that do not fit together; yield path and message of each."""
    for data, keys in ((plan.train, TRAINING_KEYS), (plan.evaluation, EVALUATION_KEYS)):
        yield from _problems_of_source(data)
        yield from _problems_of_keys(data, keys)
        yield from _problems_of_sizes(data)
    yield from _problems_of_taught_sizes(plan.train)
    yield from _problems_of_growth(plan.train, plan.settings.epoch_num)
    for part in plan.loss.parts:
        yield from _problems_of_auxiliary(part, plan.model)
        yield from _problems_of_taught_maps(part, plan.model)
    if plan.settings.cal_metric_during_train:
        yield (
            "Global.cal_metric_during_train",
            "crops have no boxes to score by: expected false or nothing, got true",
        )


def _problems_of_taught_maps(part: LossPart, model: ModelPlan) -> Found:
    """Find losses that compare maps which an ONNX file does not give."""
    taught = [name for _, name in part.pairs if name in model.teachers]
    if not taught or part.component.name == "DistillationDilaDBLoss":
        return
    message = f"{taught[0]} is an ONNX file, which gives the shrunken text alone: expected"
    if part.component.name != "DistillationDMLLoss":
        names = "DistillationDilaDBLoss or DistillationDMLLoss"
        yield part.component.path, f"{message} {names}, got {part.component.name}"
        return
    maps = part.component.options.get("maps_name")
    if ([maps] if isinstance(maps, str) else list(maps or ())) != ["thrink_maps"]:
        yield f"{part.component.path}.maps_name", f"{message} thrink_maps, got {maps}"


def _problems_of_source(data: DataPlan) -> Found:
    """Find a data set that needs what this task has not: lines rendered of a dictionary."""
    for name, parameter in data.dataset.parameters.items():
        is_needed = parameter.default is parameter.empty and name not in _SUPPLIED
        if is_needed and name not in data.dataset.options:
            message = f"{data.dataset.name} needs {name}, which detection has none of"
            yield f"{data.path}.dataset.name", f"{message}: expected a data set of pages"


def _problems_of_keys(data: DataPlan, wanted: tuple[str, ...]) -> Found:
    """Find a section whose transforms end in the arrays of the other one."""
    kept = tuple((data.options_of("KeepKeys") or {}).get("keep_keys", ()))
    if kept != wanted:
        path = f"{data.path}.dataset.transforms"
        yield path, f"expected the keep_keys {', '.join(wanted)}, got {', '.join(kept)}"


def _problems_of_sizes(data: DataPlan) -> Found:
    """Find sizes of images that no network takes."""
    for place, transform in enumerate(data.transforms):
        path = f"{data.path}.dataset.transforms.{place}.{transform.name}"
        options = transform.all_options
        sides: Any = None
        if transform.name in CROPS:
            key, sides = "size", options["size"]
        elif transform.name == "DetResizeForTest":
            key, sides = "image_shape", options["image_shape"]
            if sides is not None and options["keep_ratio"]:
                sides = sides[:1]
        if sides is not None and any(side % STRIDE_PX for side in sides):
            message = f"expected multiples of {STRIDE_PX} px, the networks' stride, got"
            yield f"{path}.{key}", f"{message} {options[key]}"


def _problems_of_taught_sizes(data: DataPlan) -> Found:
    """Find crops of a size that an ONNX file does not take."""
    crops = [transform for transform in data.transforms if transform.name in CROPS]
    for teacher in data.teachers:
        assert isinstance(teacher, PageTeacher)
        for crop in crops:
            width, height = crop.all_options["size"]
            try:
                is_taken = teacher.takes(height, width)
            except OcrError:
                continue  # the file's own problem is found elsewhere
            if not is_taken:
                message = f"{teacher.plan.onnx} takes other sizes: expected one of them, got"
                yield f"{crop.path}.size", f"{message} {width} x {height} px"


def _problems_of_growth(data: DataPlan, epoch_num: int) -> Found:
    """Find maps whose shrink ratio would go on growing after its last epoch."""
    for place, transform in enumerate(data.transforms):
        total = transform.options.get("total_epoch")
        if total is not None and total < epoch_num:
            path = f"{data.path}.dataset.transforms.{place}.{transform.name}.total_epoch"
            yield path, f"expected {epoch_num}, the epochs of the run, got {total}"


def _problems_of_auxiliary(part: LossPart, model: ModelPlan) -> Found:
    """Find weights of auxiliary heads that no network has."""
    weights = {key: part.component.options.get(key, 0) for key in _AUXILIARY_WEIGHTS}
    for name in part.networks if model.is_distillation else model.networks:
        outputs = (
            model.task.head_outputs(model.networks[name].head) if name in model.networks else ()
        )
        for key, weight in weights.items():
            output = key.replace("weight", "maps")
            if weight > 0 and outputs and output not in outputs:
                head = f"the head of {name}" if name else "the head"
                yield (
                    f"{part.component.path}.{key}",
                    f"{head} gives no {output}: expected 0, or aux_in_channels of the head",
                )
