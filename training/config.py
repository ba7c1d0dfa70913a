"""A PaddleOCR-format YAML file with `-o` overrides, and where each key stands in it."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from runtime.config_files import find_config
from runtime.errors import ConfigError
from runtime.yaml_file import YamlError, parse_yaml, read_yaml
from training.data.unreadable import MOST_SHARE
from training.registry import Problem, Problems, Registry, unknown_name

SECTIONS = ("Global", "Optimizer", "Architecture", "Loss", "PostProcess", "Metric", "Train", "Eval")
UNUSED_SECTIONS = frozenset({"profiler_options", "wandb", "Export"})
DecayType = Literal["threshold", "exponential", "normal"]
_COUNTS = (
    "ema_gamma",
    "epoch_num",
    "max_text_length",
    "print_batch_step",
    "log_smooth_window",
    "save_epoch_step",
)


@dataclass(frozen=True)
class GlobalConfig:
    """The `Global` section, with PaddleOCR's names.

    Args:
        epoch_num: epochs to train.
        save_model_dir: where checkpoints and logs go.
        character_dict_path: dictionary, empty for digits and lower-case letters.
        use_space_char: whether the space is the last class.
        max_text_length: longest label in characters.
        print_batch_step: steps between log lines.
        log_smooth_window: steps over which logged figures are averaged.
        eval_batch_step: steps between evaluations, or [first, every].
        save_epoch_step: epochs between `iter_epoch_N` checkpoints.
        cal_metric_during_train: whether training batches are decoded too.
        pretrained_model: checkpoint to start from, weights alone.
        evaluate_start: whether `Eval` is read before the first step too; left out, it is where a
            network that learns starts from given weights.
        checkpoints: checkpoint to resume from, with optimizer and position.
        pretrained_dictionary: the dictionary of the weights to start from, where it is another and
            nothing beside them says which; classes are then kept by character.
        allow_resized_head: start with a new head where the number of classes differs and nothing
            says what the checkpoint's classes stand for.
        use_gpu: train on the GPU; true on a machine without one means its CPU, with a warning.
        use_amp: mixed precision, on a GPU only.
        amp_custom_black_list: operators kept in float32 under mixed precision.
        scale_loss: initial loss scale of mixed precision.
        use_visualdl: also log for VisualDL.
        infer_img: image or folder that `training.predict` reads by default.
        save_res_path: file that `training.predict` writes.
        seed: of weights, order, augmentation and dropout.
        fast_cpu: compiled training kernels and process settings on a CPU.
        use_ema: evaluate and save an exponential moving average of the weights.
        ema_decay: 0 .. 1, decay of the average.
        ema_gamma: steps over which the decay of `exponential` grows.
        ema_decay_type: how the decay grows from the first step on.
        ema_filter_no_grad: leave parameters that do not learn out of the average.
        ema_exact_correction: divide the average by the true sum of its weights.
        worst_lines: whether a run ends with `worst.html`, the lines that its best weights misread,
            or the pages on which they miss most.
        max_unreadable_share: share, 0 .. 1, of the lines of a data set or an epoch whose images
            cannot be read; a larger one stops the run.
    """

    epoch_num: int = 100
    save_model_dir: str = "./output"
    character_dict_path: str | None = None
    use_space_char: bool = False
    max_text_length: int = 25
    print_batch_step: int = 10
    log_smooth_window: int = 20
    eval_batch_step: int | tuple[int, int] = 2000
    save_epoch_step: int = 3
    cal_metric_during_train: bool = False
    pretrained_model: str | None = None
    evaluate_start: bool | None = None
    checkpoints: str | None = None
    pretrained_dictionary: str | None = None
    allow_resized_head: bool = False
    use_gpu: bool = False
    use_amp: bool = False
    amp_custom_black_list: Sequence[str] = ()
    scale_loss: float = 1024.0
    use_visualdl: bool = False
    infer_img: str | None = None
    save_res_path: str | None = None
    seed: int = 2021
    fast_cpu: bool = True
    use_ema: bool = False
    ema_decay: float = 0.9998
    ema_gamma: int = 2000
    ema_decay_type: DecayType = "threshold"
    ema_filter_no_grad: bool = False
    ema_exact_correction: bool = False
    worst_lines: bool = True
    max_unreadable_share: float = MOST_SHARE

    def is_evaluation_due(self, step: int) -> bool:
        """Tell whether the lines of `Eval` are read after so many steps."""
        every = self.eval_batch_step
        start, interval = (0, every) if isinstance(every, int) else (every[0], every[-1])
        return step > start and (step - start) % interval == 0

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report shares and numbers of steps that are out of range."""
        problems = [
            (key, f"expected at least 1, got {options[key]}")
            for key in _COUNTS
            if key in options and options[key] < 1
        ]
        decay = options.get("ema_decay", 0.0)
        if not 0 <= decay < 1:
            problems.append(("ema_decay", f"expected 0 to below 1, got {decay}"))
        share = options.get("max_unreadable_share", MOST_SHARE)
        if not 0 <= share <= 1:
            problems.append(("max_unreadable_share", f"expected 0 to 1, got {share}"))
        every = options.get("eval_batch_step", 1)
        start, interval = (0, every) if isinstance(every, int) else every
        if start < 0 or interval < 1:
            message = f"expected steps, or [first, every] with every at least 1, got {every!r}"
            problems.append(("eval_batch_step", message))
        return problems


_UNUSED = """
debug infer_mode save_inference_dir distributed character_type calc_epoch_interval model_name
use_xpu use_npu use_mlu use_gcu use_tensorrt use_wandb to_static d2s_train_image_shape log_ranks
amp_level amp_dtype amp_custom_white_list use_dynamic_loss_scaling eval_batch_epoch
cal_metric_interval uniform_output_enabled
"""
UNUSED_GLOBAL_KEYS = frozenset(_UNUSED.split())
"""PaddleOCR's keys that have no effect here."""

GLOBALS = Registry("global section", {"Global": GlobalConfig}, unused=UNUSED_GLOBAL_KEYS)


def read_global(section: object, problems: Problems) -> GlobalConfig | None:
    """Read the `Global` section; a key without a value has its default."""
    if not isinstance(section, Mapping):
        problems.add("Global", f"expected a mapping, got {section!r}")
        return None
    given = {key: value for key, value in section.items() if value is not None}
    component = GLOBALS.read_options("Global", given, "Global", problems)
    return None if component is None else component.build()


@dataclass(frozen=True)
class Config:
    """A configuration as its author wrote it, overrides applied.

    Args:
        path: the YAML file, None when built in Python.
        sections: the whole mapping.
        lines: line number (from 1) of each dotted path that the file holds.
        overrides: what `-o` put in the place of its values, `Section.key=value` each.
    """

    path: Path | None
    sections: dict[str, Any]
    lines: dict[str, int] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """Hash of the content, whatever its layout."""
        text = json.dumps(self.sections, sort_keys=True, ensure_ascii=False, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def located(self, problem: Problem) -> str:
        """Return the problem with the file and the line of its path or the nearest one above.

        What `-o` put there is named instead.
        """
        path = f"{problem.path}."
        for override in reversed(self.overrides):
            if path.startswith(f"{override.partition('=')[0]}."):
                return f"-o {problem}"
        line = self._line(problem)
        where = str(self.path or "config")
        return f"{where}: {problem}" if line is None else f"{where}:{line}: {problem}"

    def _line(self, problem: Problem) -> int | None:
        parts = problem.path.split(".")
        while parts and ".".join(parts) not in self.lines:
            parts.pop()
        return self.lines[".".join(parts)] if parts else None

    def raise_problems(self, problems: Sequence[Problem]) -> None:
        """Raise all `problems` as one `ConfigError`, in the file's order, if there are any."""
        if problems:
            in_order = sorted(problems, key=lambda problem: self._line(problem) or 0)
            raise ConfigError("\n".join(map(self.located, in_order)))


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a YAML file and apply `Section.key=value` overrides; nothing is checked yet.

    Args:
        path: the file, or what `find_config` takes.
        overrides: as after `-o`; the value is YAML, a number in the path indexes a list.

    Raises:
        ConfigError: if the file is missing, is not YAML (a `*alias` without its `&anchor` or a
            key given twice, say), or an override names a place that does not exist.
    """
    path = find_config(path)
    try:
        document = read_yaml(path)
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(f"cannot read the config {path}: {reason}; check the path") from error
    except YamlError as error:
        line = "" if error.line is None else f":{error.line}"
        raise ConfigError(f"{path}{line}: not valid YAML: {error.reason}; mend the file") from error
    sections = document.content
    if not isinstance(sections, dict):
        raise ConfigError(f"{path}: expected sections such as Global, got {sections!r:.80}")
    for override in overrides:
        _apply_override(sections, override)
    return Config(path, sections, document.lines, tuple(overrides))


def _apply_override(sections: dict[str, Any], override: str) -> None:
    target, separator, text = override.partition("=")
    if not separator or not target:
        raise ConfigError(f"-o {override}: expected Section.key=value, got no value")
    try:
        value = parse_yaml(text).content
    except YamlError as error:
        raise ConfigError(
            f"-o {override}: the value is not valid YAML: {error.reason}; quote it"
        ) from error
    *parents, last = target.split(".")
    place: Any = sections
    for depth, part in enumerate(parents):
        place = _step_into(place, part, ".".join(parents[: depth + 1]), override)
    if isinstance(place, list):
        index = _list_index(place, last, target, override)
        place[index] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise ConfigError(f"-o {override}: {'.'.join(parents)} holds {place!r}, not keys")


def _step_into(place: Any, part: str, path: str, override: str) -> Any:
    if isinstance(place, list):
        return place[_list_index(place, part, path, override)]
    if isinstance(place, dict):
        if part not in place:
            known = [str(key) for key in place]
            raise ConfigError(f"-o {override}: {path}: {unknown_name('key', part, known)}")
        if place[part] is None:
            place[part] = {}
        return place[part]
    raise ConfigError(f"-o {override}: {path} holds {place!r}, not keys")


def _list_index(place: list[Any], part: str, path: str, override: str) -> int:
    if not part.isdigit() or int(part) >= len(place):
        raise ConfigError(
            f"-o {override}: {path}: expected an index from 0 to {len(place) - 1}, got {part!r}"
        )
    return int(part)


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `-c` and `-o` as PaddleOCR's commands have them."""
    parser.add_argument(
        "-c", "--config", required=True, type=Path, help="YAML file, or a name such as fine_tune"
    )
    parser.add_argument(
        "-o",
        "--override",
        nargs="+",
        action="extend",
        default=[],
        metavar="Section.key=value",
        help="replace values of the config",
    )
