"""Puts settings that suit the number of training samples in the place of `auto` in a config.

`auto` may stand at `Global.epoch_num`, `Global.eval_batch_step`, `Optimizer.lr.learning_rate`,
`Train.loader.batch_size_per_card`, `frozen_statistics` of a network, the `weight` of a loss of
`Loss.loss_config_list`, and as the options of a transform of `Train` that its task knows. Every
other key keeps its meaning, and what is left out its default.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runtime.errors import OcrError
from training.data.build import DATASETS
from training.fine_tuning.suited import Suited
from training.registry import Problems

if TYPE_CHECKING:
    from training.config import Config
    from training.task import Task

AUTO = "auto"
_USUAL = 1000
"""Samples that are taken for granted where no one will train."""
_FILES = frozenset({"SimpleDataSet", "MultiScaleDataSet", "LMDBDataSet", "TextRecDataset"})


def with_choices(
    config: Config, task: type[Task], problems: Problems, is_training: bool
) -> tuple[Config, Suited | None]:
    """Return a config with numbers in the place of every `auto`.

    Args:
        config: as its author wrote it; it stays.
        task: of its networks.
        problems: what cannot be chosen is added.
        is_training: whether `Train` will be read; else its samples need not be there.

    Returns:
        The config, and what was chosen from; None where nothing was to be chosen.
    """
    sections = copy.deepcopy(config.sections)
    places = list(_places(sections))
    if not places:
        return config, None
    count = _count(sections) if is_training else _USUAL
    suited = None if count is None else task.suited_to(count)
    if suited is None:
        why = "this task has no rule" if count is not None else "nothing counts Train's samples"
        for path, _, _, _ in places:
            problems.add(path, f"{AUTO}: cannot choose, {why}: expected a value; give one")
        suited = task.suited_to(_USUAL)
    for path, holder, key, what in places:
        if what in _STAND_INS:
            holder[key] = _STAND_INS[what] if suited is None else _value(suited, what)
        elif suited is None or what not in suited.augmentation:
            problems.add(path, f"{AUTO} is not known of {what}: expected its options; give them")
            holder[key] = None
        else:
            holder[key] = dict(suited.augmentation[what])
    return replace(config, sections=sections), suited


_STAND_INS: Mapping[str, Any] = {
    "epochs": 1,
    "eval_batch_step": 2000,
    "learning_rate": 1e-3,
    "batch_size": 1,
    "anchor": 1.0,
    "frozen_statistics": False,
}
"""In the place of what cannot be chosen, so that other problems are found too."""


def _places(sections: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any, str]]:
    """Yield path, holder and key of each `auto`, and what is to be chosen for it."""
    for path, what in (
        ("Global.epoch_num", "epochs"),
        ("Global.eval_batch_step", "eval_batch_step"),
        ("Optimizer.lr.learning_rate", "learning_rate"),
        ("Train.loader.batch_size_per_card", "batch_size"),
    ):
        *above, key = path.split(".")
        holder: Any = sections
        for part in above:
            holder = holder.get(part) if isinstance(holder, Mapping) else None
        if isinstance(holder, dict) and holder.get(key) == AUTO:
            yield path, holder, key, what
    architecture = sections.get("Architecture")
    networks = {"Architecture": architecture}
    if isinstance(architecture, Mapping) and isinstance(architecture.get("Models"), Mapping):
        models = architecture["Models"].items()
        networks |= {f"Architecture.Models.{name}": network for name, network in models}
    for path, network in networks.items():
        if isinstance(network, dict) and network.get("frozen_statistics") == AUTO:
            key = "frozen_statistics"
            yield f"{path}.{key}", network, key, key
    for place, entry in enumerate(_listed(sections, "Loss", "loss_config_list")):
        for name, options in entry.items():
            if isinstance(options, dict) and options.get("weight") == AUTO:
                yield f"Loss.loss_config_list.{place}.{name}.weight", options, "weight", "anchor"
    for place, entry in enumerate(_listed(sections, "Train", "dataset", "transforms")):
        for name, options in entry.items():
            if options == AUTO:
                yield f"Train.dataset.transforms.{place}.{name}", entry, name, name


def _listed(sections: Mapping[str, Any], *path: str) -> list[dict[str, Any]]:
    """Return the mappings of a list in a config; none where it is something else."""
    found: Any = sections
    for part in path:
        found = found.get(part) if isinstance(found, Mapping) else None
    return [entry if isinstance(entry, dict) else {} for entry in found or ()]


def _value(suited: Suited, what: str) -> Any:
    """Return what is chosen, as YAML has it."""
    value = getattr(suited, what)
    return list(value) if isinstance(value, tuple) else value


def _count(sections: Mapping[str, Any]) -> int | None:
    """Count the samples of an epoch of `Train`; None where that cannot be told before it is read.

    Files that are not there are found later: the usual number stands for them.
    """
    section = sections.get("Train")
    dataset = section.get("dataset") if isinstance(section, Mapping) else None
    if not isinstance(dataset, Mapping):
        return _USUAL
    if isinstance(dataset.get("count"), int):
        return int(dataset["count"])
    if dataset.get("name") not in _FILES:
        return None
    own = {key: dataset[key] for key in dataset.keys() - {"transforms", "ext_op_transform_idx"}}
    source = DATASETS.read(own, "Train.dataset", Problems())
    if source is None:
        return _USUAL
    try:
        return len(source.build(seed=0).indices(0))
    except (OcrError, OSError):
        return _USUAL
