"""The arms of the comparison, and the config that trains one of them with one seed."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measuring.machine import ROOT
from runtime.errors import ConfigError
from runtime.yaml_file import YamlError, read_yaml
from training.config import load_config

ARMS = ROOT / "configs" / "gain" / "arms.yml"
STUDENT_CONFIG = ROOT / "configs" / "gain" / "student.yml"
TEACHER_CONFIG = ROOT / "configs" / "latin" / "network.yml"
STUDENT, TEACHER = "Student", "Teacher"
NETWORK_CONFIGS = {STUDENT: STUDENT_CONFIG, "Twin": STUDENT_CONFIG, TEACHER: TEACHER_CONFIG}
_KEYS = frozenset({"networks", "frozen", "losses", "options"})


@dataclass(frozen=True)
class Arm:
    """One way to train a network.

    Args:
        name: also that of its folder.
        networks: names of `NETWORK_CONFIGS`; the first is the one that counts.
        losses: a `loss_config_list`.
        frozen: those of the networks that do not learn.
        options: further overrides of the config, by dotted path.
    """

    name: str
    networks: tuple[str, ...]
    losses: Sequence[Mapping[str, Any]]
    frozen: frozenset[str] = frozenset()
    options: Mapping[str, Any] = field(default_factory=dict)


def read_arms(path: Path, names: Sequence[str] | None = None) -> list[Arm]:
    """Read the arms of a YAML file, all or those of the given names.

    Raises:
        ConfigError: if the file cannot be read, an arm has unknown networks or keys or does not
            train the Student, or there is no arm of a name.
    """
    try:
        content = read_yaml(path).content
    except (OSError, YamlError) as error:
        raise ConfigError(f"cannot read the arms {path}: {error}; mend --arms-file") from error
    if not isinstance(content, dict) or not isinstance(content.get("arms"), dict):
        raise ConfigError(
            f"{path} holds no arms: expected a mapping under arms, got {content!r:.80}; see {ARMS}"
        )
    arms = {name: _read_arm(name, entry, path) for name, entry in content["arms"].items()}
    unknown = [name for name in names or [] if name not in arms]
    if unknown:
        raise ConfigError(
            f"no arm {unknown[0]}: expected some of {', '.join(arms)}, got "
            f"{', '.join(names or [])}; change --arms"
        )
    return [arms[name] for name in names or arms]


def _read_arm(name: str, entry: Any, path: Path) -> Arm:
    entry = entry if isinstance(entry, dict) else {}
    networks, losses = entry.get("networks") or [], entry.get("losses")
    strangers = [name for name in networks if name not in NETWORK_CONFIGS]
    unknown = entry.keys() - _KEYS
    if networks[:1] != [STUDENT] or strangers or unknown or not losses:
        raise ConfigError(
            f"{path}: {name}: expected networks ({STUDENT}, then any of "
            f"{', '.join(NETWORK_CONFIGS)}), losses and perhaps frozen and options, got "
            f"{', '.join(f'{key}: {value!r:.60}' for key, value in entry.items()) or 'nothing'}"
        )
    frozen = frozenset(entry.get("frozen") or [])
    return Arm(name, tuple(networks), losses, frozen, dict(entry.get("options") or {}))


@dataclass(frozen=True)
class Plan:
    """What all arms share.

    Args:
        train, val: label files; the folder of `val` holds one more for each pack.
        num_lines: of `train`.
        weights: file of each network's first weights.
        steps: about how many; whole epochs are made of them.
        batch_size: N.
        evaluations: how often the validation lines are read on the way.
        options: further overrides of every arm, by dotted path.
    """

    train: Path
    val: Path
    num_lines: int
    weights: Mapping[str, Path]
    steps: int
    batch_size: int = 32
    evaluations: int = 4
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def epochs(self) -> int:
        """The fewest epochs in which no line comes twice."""
        return -(-self.steps * self.batch_size // self.num_lines)

    @property
    def steps_per_epoch(self) -> int:
        """Steps of each of them, at least one."""
        return max(1, self.steps // self.epochs)


def training_sections(arm: Arm, plan: Plan, seed: int, folder: Path) -> dict[str, Any]:
    """Build the config of one run: student.yml with the arm's networks and losses in it."""
    sections = copy.deepcopy(load_config(STUDENT_CONFIG).sections)
    learning = [name for name in arm.networks if name not in arm.frozen]
    sections["Architecture"] = _models(arm.networks, arm.frozen, plan.weights)
    sections["Loss"] = {"name": "CombinedLoss", "loss_config_list": copy.deepcopy(arm.losses)}
    _read_by_names(sections, learning)
    steps = plan.epochs * plan.steps_per_epoch
    options: dict[str, Any] = {
        "Global.save_model_dir": str(folder),
        "Global.seed": seed,
        "Global.epoch_num": plan.epochs,
        "Global.eval_batch_step": [0, -(-steps // plan.evaluations)],
        "Global.character_dict_path": str(ROOT / sections["Global"]["character_dict_path"]),
        "Train.dataset.label_file_list": [str(plan.train)],
        "Train.dataset.ratio_list": [plan.steps_per_epoch * plan.batch_size / plan.num_lines],
        "Train.loader.batch_size_per_card": plan.batch_size,
        "Eval.dataset.label_file_list": [str(plan.val)],
    }
    for path, value in {**options, **plan.options, **arm.options}.items():
        _set_by_path(sections, path, value)
    return sections


def reading_sections(
    network: str, weights: Path, folder: Path, data_set: Mapping[str, Any]
) -> dict[str, Any]:
    """Build the config that reads `data_set` with one network of a checkpoint, as it is deployed.

    Args:
        network: of `NETWORK_CONFIGS`.
        weights: checkpoint of that network, or of several with one of that name.
        folder: for what the config has to name.
        data_set: of `Eval.dataset`, transforms aside.
    """
    sections = copy.deepcopy(load_config(STUDENT_CONFIG).sections)
    sections["Architecture"] = _models([network], frozenset(), {network: weights})
    loss = {"weight": 1.0, "model_name_list": [network], "key": "head_out"}
    sections["Loss"] = {"name": "CombinedLoss", "loss_config_list": [{"DistillationCTCLoss": loss}]}
    _read_by_names(sections, [network])
    dictionary = str(ROOT / sections["Global"]["character_dict_path"])
    sections["Global"] |= {"character_dict_path": dictionary, "save_model_dir": str(folder)}
    transforms = sections["Eval"]["dataset"]["transforms"]
    sections["Eval"]["dataset"] = {**data_set, "transforms": transforms}
    return sections


def _models(
    networks: Sequence[str], frozen: frozenset[str], weights: Mapping[str, Path]
) -> dict[str, Any]:
    models = {}
    for name in networks:
        network = dict(load_config(NETWORK_CONFIGS[name]).sections["Architecture"])
        models[name] = network | {
            "pretrained": str(weights[name]),
            "freeze_params": name in frozen,
            "return_all_feats": True,
        }
    return {"model_type": "rec", "name": "DistillationModel", "Models": models}


def _read_by_names(sections: dict[str, Any], networks: Sequence[str]) -> None:
    """Set decoding and metric to these networks, the first as the main one, in place."""
    sections["PostProcess"] = {
        "name": "DistillationCTCLabelDecode",
        "model_name": list(networks),
        "key": "head_out",
    }
    sections["Metric"] |= {
        "name": "DistillationMetric",
        "base_metric_name": "RecMetric",
        "key": networks[0],
    }


def _set_by_path(sections: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    place: Any = sections
    for part in parents:
        place = place[int(part)] if isinstance(place, list) else place[part]
    place[int(last) if isinstance(place, list) else last] = value
