"""Finds every mistake of a config before anything is built.

python -m training.check_config -c configs/….yml [-o Section.key=value …]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runtime.errors import OcrError
from runtime.recognition.charset import build_charset
from runtime.standard_streams import open_standard_streams, say
from training.check_weights import check_weights
from training.config import (
    GLOBALS,
    SECTIONS,
    UNUSED_GLOBAL_KEYS,
    UNUSED_SECTIONS,
    Config,
    add_config_arguments,
    load_config,
)
from training.data.build import check_data_section, image_shape
from training.losses import check_loss, loss_parts, networks_used
from training.networks import check_architecture, network_sections
from training.optimizer import check_optimizer
from training.recognition.decode import POST_PROCESSES
from training.recognition.metrics import ALL_METRICS, METRICS
from training.recognition.transforms import transform_options
from training.registry import Problem, unknown_name

_STAGES = ("backbone_out", "neck_out", "head_out")


def check_config(config: Config, data: Sequence[str] = ("Train", "Eval")) -> None:
    """Refuse a config that cannot train, evaluate or predict.

    Args:
        config: as `load_config` gives it.
        data: which of `Train` and `Eval` will be read, so that its files have to be there.

    Raises:
        ConfigError: every problem with its file and line.
    """
    problems = _check_sections(config.sections)
    if not problems:
        problems = _check_references(config.sections, data)
    config.raise_problems(problems)


def unused_keys(config: Config) -> list[str]:
    """Keys of PaddleOCR's that stand in the config and have no effect here."""
    unused = [f"Global.{key}" for key in config.sections["Global"] if key in UNUSED_GLOBAL_KEYS]
    return unused + [key for key in config.sections if key in UNUSED_SECTIONS]


def _check_sections(sections: Mapping[str, Any]) -> list[Problem]:
    """Each section by itself."""
    problems = [
        Problem(key, unknown_name("section", key, SECTIONS))
        for key in sections
        if key not in SECTIONS and key not in UNUSED_SECTIONS
    ]
    missing = [key for key in SECTIONS if key not in sections]
    problems += [Problem(key, "expected this section, got none") for key in missing]
    if missing:
        return problems
    globals_section = sections["Global"]
    if isinstance(globals_section, Mapping):
        given = {key: value for key, value in globals_section.items() if value is not None}
        problems += GLOBALS.check_options("Global", given, "Global")
    else:
        problems.append(Problem("Global", f"expected a mapping, got {globals_section!r}"))
    problems += check_optimizer(sections["Optimizer"])
    problems += check_architecture(sections["Architecture"])
    problems += check_loss(sections["Loss"])
    problems += POST_PROCESSES.check(sections["PostProcess"], "PostProcess")
    problems += ALL_METRICS.check(sections["Metric"], "Metric")
    for path in ("Train", "Eval"):
        problems += check_data_section(sections[path], path)
    return problems


def _check_references(sections: Mapping[str, Any], data: Sequence[str]) -> list[Problem]:
    """Names that one section uses and another defines."""
    networks = network_sections(sections["Architecture"])
    problems = _check_post_process(sections, networks)
    problems += _check_losses(sections, networks)
    problems += _check_frozen(sections, networks)
    shapes = {path: image_shape(sections[path]) for path in ("Train", "Eval")}
    if shapes["Train"][1] != shapes["Eval"][1]:
        message = f"expected the training height {shapes['Train'][1]}, got {shapes['Eval'][1]}"
        problems.append(Problem("Eval.dataset.transforms", message))
    if "Train" in data:
        problems += check_weights(sections)
    return problems + _check_files(sections, data)


def _check_network_name(name: object, path: str, networks: Mapping[str, Any]) -> list[Problem]:
    if name in networks:
        return []
    return [Problem(path, unknown_name("network", name, networks))]


def _check_post_process(sections: Mapping[str, Any], networks: Mapping[str, Any]) -> list[Problem]:
    post, metric = sections["PostProcess"], sections["Metric"]
    is_distillation = "" not in networks
    wanted = "DistillationCTCLabelDecode" if is_distillation else "CTCLabelDecode"
    if post["name"] != wanted:
        message = f"expected {wanted} for this Architecture, got {post['name']}"
        return [Problem("PostProcess.name", message)]
    wanted = "DistillationMetric" if is_distillation else "RecMetric"
    if metric["name"] != wanted:
        message = f"expected {wanted} for this Architecture, got {metric['name']}"
        return [Problem("Metric.name", message)]
    if not is_distillation:
        if networks[""][1].get("return_all_feats"):
            message = "one network alone trains on its logits: expected false or nothing, got true"
            return [Problem("Architecture.return_all_feats", message)]
        return []
    names = post["model_name"]
    names = [names] if isinstance(names, str) else names
    problems = []
    for name in names:
        problems += _check_network_name(name, "PostProcess.model_name", networks)
        if name in networks:
            problems += _check_key(post.get("key"), "PostProcess.key", networks[name][1], False)
    if metric["key"] not in names:
        message = unknown_name("network in PostProcess.model_name", metric["key"], names)
        problems.append(Problem("Metric.key", message))
    base = metric.get("base_metric_name", "RecMetric")
    if base not in METRICS.builders:
        message = unknown_name("metric", base, METRICS.builders)
        problems.append(Problem("Metric.base_metric_name", message))
    return problems


def _check_key(
    key: object, path: str, network: Mapping[str, Any], is_training: bool
) -> list[Problem]:
    """Whether a network's output holds `key`, in training or in evaluation."""
    has_stages = bool(network.get("return_all_feats"))
    if key is None:
        message = "expected a key such as head_out, because return_all_feats is on; got none"
        return [Problem(path, message)] if has_stages else []
    if not has_stages:
        message = f"key {key!r} needs return_all_feats: true in every network it is taken from"
        return [Problem(path, message)]
    stages = _STAGES if is_training else _STAGES[-1:]
    return [] if key in stages else [Problem(path, unknown_name("output", key, stages))]


def _check_losses(sections: Mapping[str, Any], networks: Mapping[str, Any]) -> list[Problem]:
    problems = []
    is_distillation = "" not in networks
    kept = (transform_options(sections["Train"]["dataset"]["transforms"], "KeepKeys") or {}).get(
        "keep_keys", []
    )
    for path, name, _, options in loss_parts(sections["Loss"]):
        if name.startswith("Distillation") != is_distillation:
            kind = "a distillation loss" if is_distillation else "a loss of one network"
            problems.append(Problem(path, f"expected {kind} for this Architecture, got {name}"))
            continue
        if name == "ACELoss" and list(kept[3:4]) != ["label_ace"]:
            message = "ACELoss needs label_ace as the fourth of Train's keep_keys"
            problems.append(Problem(path, message))
        if name == "CenterLoss" and not networks[""][1]["Head"].get("return_feats"):
            message = "CenterLoss needs Architecture.Head.return_feats: true"
            problems.append(Problem(path, message))
        problems += _check_loss_networks(path, name, options, networks)
    return problems


def _check_loss_networks(
    path: str, name: str, options: Mapping[str, Any], networks: Mapping[str, Any]
) -> list[Problem]:
    problems = []
    if "model_name_list" in options and not options["model_name_list"]:
        return [Problem(f"{path}.model_name_list", "expected at least one network, got none")]
    if "model_name_pairs" in options:
        pairs = options["model_name_pairs"]
        if not pairs or any(len(p) != 2 for p in ([pairs] if isinstance(pairs[0], str) else pairs)):
            message = f"expected pairs of networks, got {pairs!r}"
            return [Problem(f"{path}.model_name_pairs", message)]
    key = "dist_key" if name == "DistillationLossFromOutput" else "key"
    for network in networks_used(options):
        missing = _check_network_name(network, path, networks)
        problems += missing
        if not missing and name != "DistillationLossFromOutput":
            section = networks[network][1]
            problems += _check_key(options.get(key), f"{path}.{key}", section, True)
    return problems


def _check_frozen(sections: Mapping[str, Any], networks: Mapping[str, Any]) -> list[Problem]:
    problems = []
    frozen = [name for name, (_, section) in networks.items() if section.get("freeze_params")]
    if len(frozen) == len(networks):
        problems.append(Problem("Architecture", "every network is frozen: nothing would train"))
    has_start = any(sections["Global"].get(key) for key in ("pretrained_model", "checkpoints"))
    for name in frozen:
        path, section = networks[name]
        if not section.get("pretrained") and not has_start:
            message = (
                "this network is frozen but starts at random: expected pretrained, "
                "Global.pretrained_model or Global.checkpoints, got none"
            )
            problems.append(Problem(f"{path}.freeze_params", message))
    return problems


def _check_files(sections: Mapping[str, Any], data: Sequence[str]) -> list[Problem]:
    problems = []
    for path in data:
        dataset = sections[path]["dataset"]
        files = dataset.get("label_file_list", [])
        for index, file in enumerate([files] if isinstance(files, str) else files):
            if not Path(str(file)).is_file():
                where = f"{path}.dataset.label_file_list.{index}"
                problems.append(Problem(where, f"no file {file}: expected a label file"))
        if "data_dir" in dataset and not Path(str(dataset["data_dir"])).is_dir():
            message = f"no folder {dataset['data_dir']}: expected the images' folder"
            problems.append(Problem(f"{path}.dataset.data_dir", message))
    dictionary = sections["Global"].get("character_dict_path")
    try:
        charset = build_charset(dictionary, bool(sections["Global"].get("use_space_char")))
    except OcrError as error:
        return [*problems, Problem("Global.character_dict_path", str(error))]
    for path, name, _, options in loss_parts(sections["Loss"]):
        wanted = options.get("num_classes", 6625)
        if name == "CenterLoss" and wanted != charset.num_classes:
            message = f"expected the dictionary's {charset.num_classes} classes, got {wanted}"
            problems.append(Problem(f"{path}.num_classes", message))
    return problems


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    open_standard_streams()
    parser = argparse.ArgumentParser(
        prog="python -m training.check_config", description=__doc__.splitlines()[0]
    )
    add_config_arguments(parser)
    options = parser.parse_args(arguments)
    try:
        config = load_config(options.config, options.override)
        check_config(config)
    except OcrError as error:
        say(str(error))
        return 2
    for key in unused_keys(config):
        print(f"{config.located(Problem(key, 'has no effect here'))}")
    print(f"{options.config}: nothing wrong found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
