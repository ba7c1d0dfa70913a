"""Checks the names that losses, post-processing and metrics use against the networks there are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from training.registry import Component, unknown_name

if TYPE_CHECKING:
    from training.data.build import DataPlan
    from training.losses import LossPart
    from training.networks import ModelPlan, NetworkPlan

_STAGES = ("backbone_out", "neck_out", "head_out")
"""What a network with `return_all_feats` returns in training; in evaluation the last alone."""
_TEACHERS_HEAD = "ctc"
"""The one head whose output an ONNX file has."""
Found = Iterable[tuple[str, str]]
"""Path and message of each problem."""


def problems_of_output(model: ModelPlan, post_process: Component, metric: Component) -> Found:
    """Find outputs that post-processing or the metric takes and no network gives."""
    if not model.is_distillation:
        (network,) = model.networks.values()
        if network.returns_all_features:
            message = "one network alone trains on its logits: expected false or nothing, got true"
            yield f"{network.path}.return_all_feats", message
        return
    names = post_process.all_options["model_name"]
    names = [names] if isinstance(names, str) else names
    for name in names:
        if name in model.teachers:
            continue
        if name not in model.networks:
            yield "PostProcess.model_name", unknown_name("network", name, _names(model))
        elif "key" in post_process.parameters:
            keys = _STAGES[-1:] if model.networks[name].returns_all_features else ()
            key = post_process.options.get("key")
            yield from _problems_of_key(key, "PostProcess.key", keys)
    if metric.options["key"] not in names:
        key = metric.options["key"]
        yield "Metric.key", unknown_name("network in PostProcess.model_name", key, names)
    elif metric.options["key"] in model.teachers:
        message = f"{metric.options['key']} is an ONNX file: expected a network that learns"
        yield "Metric.key", message


def problems_of_loss(part: LossPart, model: ModelPlan) -> Found:
    """Find networks, their stages and outputs of their heads that a loss takes and do not exist."""
    options, path = part.component.options, part.component.path
    if "model_name_list" in options and not options["model_name_list"]:
        yield f"{path}.model_name_list", "expected at least one network, got none"
        return
    if "model_name_pairs" in options:
        pairs = options["model_name_pairs"]
        listed = [pairs] if pairs and isinstance(pairs[0], str) else pairs
        if not listed or any(len(pair) != 2 for pair in listed):
            yield f"{path}.model_name_pairs", f"expected pairs of networks, got {pairs!r}"
            return
    if getattr(part.component.builder, "needs_teacher", False):
        for _, name in part.pairs:
            if name in model.networks:
                message = f"{part.component.name} takes what an ONNX file reads: expected a network"
                yield f"{path}.model_name_pairs", f"{message} with onnx second, got {name}"
    for name in part.networks if model.is_distillation else model.networks:
        if name in model.teachers:
            yield from _problems_of_teacher(part, name, model)
        elif name not in model.networks:
            yield path, unknown_name("network", name, _names(model))
        elif "dist_key" not in part.component.parameters:
            network, key = model.networks[name], options.get("key")
            if model.task.network.names_head_outputs:
                yield from _problems_of_named_outputs(part, name, network, model)
                continue
            if model.is_distillation:
                keys = _STAGES if network.returns_all_features else ()
                yield from _problems_of_key(key, f"{path}.key", keys)
            yield from _problems_of_head(part, name, network, model)


def labelling_teacher(dataset: Component, model: ModelPlan) -> str | None:
    """Return the name of the ONNX file that labels a data set's images; None without one."""
    if not getattr(dataset.builder, "needs_teacher", False):
        return None
    name = dataset.options.get("teacher")
    if name is None and len(model.teachers) == 1:
        (name,) = model.teachers
    return name if name in model.teachers else None


def problems_of_labels(train: DataPlan, evaluation: DataPlan, model: ModelPlan) -> Found:
    """Find images without labels that no ONNX file labels, or that a network is judged by."""
    for data in (train, evaluation):
        name, needs_teacher = data.dataset.name, getattr(data.dataset.builder, "needs_teacher", 0)
        if needs_teacher and data is evaluation:
            message = f"{name} has no true labels to judge by: expected labelled images"
            yield f"{data.path}.dataset.name", message
        elif needs_teacher and labelling_teacher(data.dataset, model) is None:
            known = ", ".join(model.teachers) or "none"
            yield (
                f"{data.path}.dataset.teacher",
                "expected the name of an ONNX file in Architecture.Models, got "
                f"{data.dataset.options.get('teacher')!r}; there are: {known}",
            )


def _names(model: ModelPlan) -> list[str]:
    """Return the names of all networks, those that are ONNX files included."""
    return [*model.networks, *model.teachers]


def _problems_of_teacher(part: LossPart, name: str, model: ModelPlan) -> Found:
    """Find what a loss takes of a teacher that is an ONNX file and gives one output alone."""
    options, path = part.component.options, part.component.path
    if name in options.get("model_name_list", ()):
        message = f"{name} is an ONNX file, which learns no labels: take it out"
        yield f"{path}.model_name_list", message
        return
    if any(first == name for first, _ in part.pairs):
        message = f"{name} is an ONNX file, which learns nothing: expected it second in a pair"
        yield f"{path}.model_name_pairs", message
    key, head = options.get("key"), options.get("dis_head", _TEACHERS_HEAD)
    outputs = model.task.teacher_outputs
    if key is not None and key not in outputs:
        message = f"{name} is an ONNX file, which gives {', '.join(outputs)} alone: got"
        yield f"{path}.key", f"{message} {key}"
    if options.get("multi_head") and head != _TEACHERS_HEAD:
        message = f"{name} is an ONNX file, which gives {_TEACHERS_HEAD} alone: got {head}"
        yield f"{path}.dis_head", message


def _problems_of_named_outputs(
    part: LossPart, name: str, network: NetworkPlan, model: ModelPlan
) -> Found:
    """Find outputs that a loss takes of a network that gives all of them by name."""
    loss, options, path = part.component.name, part.component.options, part.component.path
    outputs = model.task.head_outputs(network.head)
    if network.returns_all_features and network.neck is not None:
        outputs = (*getattr(network.neck.builder, "outputs", _STAGES[1:2]), *outputs)
    wanted, key = part.head_outputs, options.get("key")
    head = f"the {network.head.name} of {name}" if name else network.head.name
    if key is not None and key not in outputs:
        yield f"{path}.key", unknown_name(f"output of {name}", key, outputs)
    elif key is None and not wanted:
        message = f"{loss} takes one output, and {head} gives {', '.join(outputs)}"
        yield path, f"{message}: expected one of them as key"
    elif key is None:
        for output in wanted:
            if output not in outputs:
                yield path, f"{head} gives no {output}: expected {', '.join(outputs)}"


def _problems_of_head(part: LossPart, name: str, network: NetworkPlan, model: ModelPlan) -> Found:
    """Find outputs of a network's head that a loss takes and the head does not give."""
    loss, options, path = part.component.name, part.component.options, part.component.path
    wanted, given = part.head_outputs, model.task.head_outputs(network.head)
    head = f"the {network.head.name} of {name}" if name else network.head.name
    stage = options.get("key") if network.returns_all_features else _STAGES[-1]
    if stage != _STAGES[-1]:
        if wanted and stage in _STAGES:
            message = f"{loss} takes {wanted[0]} of a head: expected key {_STAGES[-1]}, got {stage}"
            yield f"{path}.key", message
    elif wanted and not given:
        message = f"{loss} takes {', '.join(wanted)} by name, and {head} gives one output alone"
        yield f"{path}.multi_head" if "multi_head" in options else path, message
    elif given and not wanted:
        message = f"{loss} takes one output, and {head} gives {', '.join(given)}"
        yield path, f"{message}: {_remedy(part, model)}"
    else:
        where = f"{path}.dis_head" if "dis_head" in options else path
        for output in wanted:
            if output not in given:
                known = ", ".join(given)
                yield where, f"{head} gives no {output}: expected {known}, or another decoder"


def _remedy(part: LossPart, model: ModelPlan) -> str:
    """Say how a loss can take one of several outputs."""
    accepted = part.component.parameters
    if not model.is_distillation:
        return "expected MultiLoss"
    if "multi_head" not in accepted:
        return f"expected key {' or '.join(_STAGES[:-1])}"
    return "expected multi_head: true" + (" and dis_head" if "dis_head" in accepted else "")


def _problems_of_key(key: object, path: str, keys: tuple[str, ...]) -> Found:
    """Find a key that is none of those by which a network gives its outputs; none for one alone."""
    if not keys:
        if key is not None:
            message = f"key {key!r} needs return_all_feats: true in every network it is taken from"
            yield path, message
    elif key is None:
        yield path, "expected a key such as head_out, because return_all_feats is on; got none"
    elif key not in keys:
        yield path, unknown_name("output", key, keys)
