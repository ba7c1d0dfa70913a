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
STUDENT, TWIN, TEACHER, ONNX_TEACHER = "Student", "Twin", "Teacher", "OnnxTeacher"
NETWORKS = (STUDENT, TWIN, TEACHER, ONNX_TEACHER)
"""The last is an ONNX file."""
_KEYS = frozenset({"networks", "frozen", "losses", "options", "unlabelled"})


@dataclass(frozen=True)
class Arm:
    """One way to train a network.

    Args:
        name: also that of its folder.
        networks: some of `NETWORKS`; the first is the one that counts.
        losses: a `loss_config_list`.
        frozen: those of the networks that do not learn.
        options: further overrides of the config, by dotted path.
        unlabelled: share of the training lines whose label is what the ONNX file read in them.
    """

    name: str
    networks: tuple[str, ...]
    losses: Sequence[Mapping[str, Any]]
    frozen: frozenset[str] = frozenset()
    options: Mapping[str, Any] = field(default_factory=dict)
    unlabelled: float = 0.0

    @property
    def needs_onnx(self) -> bool:
        """Tell whether an ONNX file has a part in it."""
        return ONNX_TEACHER in self.networks or self.unlabelled > 0


def student_of(path: Path) -> Path:
    """Return the Student's config that a file of arms names, `STUDENT_CONFIG` where it names none.

    Raises:
        ConfigError: if the file cannot be read.
    """
    named = _content(path).get("student")
    return STUDENT_CONFIG if named is None else ROOT / str(named)


def read_arms(path: Path, names: Sequence[str] | None = None) -> list[Arm]:
    """Read the arms of a YAML file, all or those of the given names.

    Raises:
        ConfigError: if the file cannot be read, an arm has unknown networks or keys or does not
            train the Student, or there is no arm of a name.
    """
    content = _content(path)
    arms = {name: _read_arm(name, entry, path) for name, entry in content["arms"].items()}
    unknown = [name for name in names or [] if name not in arms]
    if unknown:
        raise ConfigError(
            f"no arm {unknown[0]}: expected some of {', '.join(arms)}, got "
            f"{', '.join(names or [])}; change --arms"
        )
    return [arms[name] for name in names or arms]


def _content(path: Path) -> dict[str, Any]:
    try:
        content = read_yaml(path).content
    except (OSError, YamlError) as error:
        raise ConfigError(f"cannot read the arms {path}: {error}; mend --arms-file") from error
    if not isinstance(content, dict) or not isinstance(content.get("arms"), dict):
        raise ConfigError(
            f"{path} holds no arms: expected a mapping under arms, got {content!r:.80}; see {ARMS}"
        )
    return content


def _read_arm(name: str, entry: Any, path: Path) -> Arm:
    entry = entry if isinstance(entry, dict) else {}
    networks, losses = entry.get("networks") or [], entry.get("losses")
    strangers = [name for name in networks if name not in NETWORKS]
    unknown, share = entry.keys() - _KEYS, entry.get("unlabelled", 0.0)
    is_share = isinstance(share, int | float) and 0 <= share < 1
    if networks[:1] != [STUDENT] or strangers or unknown or not losses or not is_share:
        raise ConfigError(
            f"{path}: {name}: expected networks ({STUDENT}, then any of "
            f"{', '.join(NETWORKS)}), losses and perhaps frozen, options and unlabelled (a share "
            "below 1), got "
            f"{', '.join(f'{key}: {value!r:.60}' for key, value in entry.items()) or 'nothing'}"
        )
    frozen = frozenset(entry.get("frozen") or [])
    options = dict(entry.get("options") or {})
    return Arm(name, tuple(networks), losses, frozen, options, float(share))


@dataclass(frozen=True)
class Plan:
    """What all arms share.

    Args:
        train, val: label files; the folder of `val` holds one more for each pack.
        num_lines: of `train`.
        weights: file of each network's first weights; random ones where it has none.
        steps: about how many; whole epochs are made of them.
        batch_size: N.
        evaluations: how often the validation lines are read on the way.
        options: further overrides of every arm, by dotted path.
        student: its config.
        onnx: the ONNX file that teaches in some arms.
        unlabelled: label file of what it read in other lines.
        num_unlabelled: lines of that.
    """

    train: Path
    val: Path
    num_lines: int
    weights: Mapping[str, Path]
    steps: int
    batch_size: int = 32
    evaluations: int = 4
    options: Mapping[str, Any] = field(default_factory=dict)
    student: Path = STUDENT_CONFIG
    onnx: Path | None = None
    unlabelled: Path | None = None
    num_unlabelled: int = 0

    @property
    def epochs(self) -> int:
        """The fewest epochs in which no line comes twice."""
        return -(-self.steps * self.batch_size // self.num_lines)

    @property
    def steps_per_epoch(self) -> int:
        """Steps of each of them, at least one."""
        return max(1, self.steps // self.epochs)


def training_sections(arm: Arm, plan: Plan, seed: int, folder: Path) -> dict[str, Any]:
    """Build the config of one run: the Student's with the arm's networks and losses in it."""
    sections = copy.deepcopy(load_config(plan.student).sections)
    learning = [name for name in arm.networks if name not in {*arm.frozen, ONNX_TEACHER}]
    sections["Architecture"] = _models(arm.networks, arm.frozen, plan.weights, plan.student)
    if ONNX_TEACHER in arm.networks:
        teacher = {"onnx": str(plan.onnx), "freeze_params": True}
        sections["Architecture"]["Models"][ONNX_TEACHER] = teacher
    sections["Loss"] = {"name": "CombinedLoss", "loss_config_list": copy.deepcopy(arm.losses)}
    _read_by_names(sections, learning)
    steps, per_epoch = plan.epochs * plan.steps_per_epoch, plan.steps_per_epoch * plan.batch_size
    files, shares = [str(plan.train)], [(1 - arm.unlabelled) * per_epoch / plan.num_lines]
    if arm.unlabelled:
        files.append(str(plan.unlabelled))
        shares.append(arm.unlabelled * per_epoch / plan.num_unlabelled)
    options: dict[str, Any] = {
        "Global.save_model_dir": str(folder),
        "Global.seed": seed,
        "Global.epoch_num": plan.epochs,
        "Global.eval_batch_step": [0, -(-steps // plan.evaluations)],
        "Global.character_dict_path": str(ROOT / sections["Global"]["character_dict_path"]),
        "Train.dataset.label_file_list": files,
        "Train.dataset.ratio_list": shares,
        "Train.loader.batch_size_per_card": plan.batch_size,
        "Eval.dataset.label_file_list": [str(plan.val)],
    }
    for path, value in {**options, **plan.options, **arm.options}.items():
        _set_by_path(sections, path, value)
    return sections


def reading_sections(
    network: str,
    weights: Path,
    folder: Path,
    data_set: Mapping[str, Any],
    student: Path = STUDENT_CONFIG,
) -> dict[str, Any]:
    """Build the config that reads `data_set` with one network of a checkpoint, as it is deployed.

    Args:
        network: of `NETWORKS`, and no ONNX file.
        weights: checkpoint of that network, or of several with one of that name.
        folder: for what the config has to name.
        data_set: of `Eval.dataset`, transforms aside.
        student: config of the Student; the lines are seen as it sees them.
    """
    sections = copy.deepcopy(load_config(student).sections)
    sections["Architecture"] = _models([network], frozenset(), {network: weights}, student)
    loss = {"weight": 1.0, "model_name_list": [network], "key": "head_out"}
    sections["Loss"] = {"name": "CombinedLoss", "loss_config_list": [{"DistillationCTCLoss": loss}]}
    _read_by_names(sections, [network])
    dictionary = str(ROOT / sections["Global"]["character_dict_path"])
    sections["Global"] |= {"character_dict_path": dictionary, "save_model_dir": str(folder)}
    transforms = sections["Eval"]["dataset"]["transforms"]
    sections["Eval"]["dataset"] = {**data_set, "transforms": transforms}
    return sections


def _models(
    networks: Sequence[str],
    frozen: frozenset[str],
    weights: Mapping[str, Path],
    student: Path,
) -> dict[str, Any]:
    models = {}
    for name in networks:
        if name == ONNX_TEACHER:
            continue
        config = TEACHER_CONFIG if name == TEACHER else student
        network = dict(load_config(config).sections["Architecture"])
        models[name] = network | {
            "pretrained": str(weights[name]) if name in weights else None,
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
