"""Recipes: sets of lines to render, and trainings that build on each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runtime.errors import ConfigError
from runtime.yaml_file import YamlError, read_yaml
from training.config import load_config

EVERY_PACK = "*"
_KEYS = frozenset({"name", "config", "train", "eval", "from", "options"})


@dataclass(frozen=True)
class Stage:
    """One training.

    Args:
        name: also the name of its folder.
        config: the YAML file.
        epochs: how many it trains.
        train: share of each set or pack that an epoch uses, by name.
        evaluation: sets and packs.
        source: the stage whose weights it starts from, one for all or one for each network.
        options: overrides of the config, by dotted path.
    """

    name: str
    config: Path
    epochs: int
    train: dict[str, float]
    evaluation: tuple[str, ...]
    source: str | dict[str, str] | None = None
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """Sets and stages of a file.

    Args:
        path: the file.
        sets: options of `SyntheticDataSet` by name.
        stages: in order.
        dictionary: of every stage.
    """

    path: Path
    sets: dict[str, dict[str, Any]]
    stages: tuple[Stage, ...]
    dictionary: Path


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Raises:
        ConfigError: if the file cannot be read, or a stage is incomplete or starts from one that
            does not stand before it.
    """
    try:
        content = read_yaml(path).content
    except (OSError, YamlError) as error:
        raise ConfigError(f"cannot read the recipe {path}: {error}; mend --stages") from error
    if not isinstance(content, dict) or not content.get("stages"):
        raise ConfigError(f"{path} is no recipe: expected sets and stages, got {content!r:.80}")
    stages: list[Stage] = []
    for entry in content["stages"]:
        stages.append(_read_stage(entry, path, [stage.name for stage in stages]))
    dictionary = load_config(stages[0].config).sections["Global"].get("character_dict_path")
    if dictionary is None:
        raise ConfigError(f"{stages[0].config}: expected Global.character_dict_path, got nothing")
    return Recipe(path, dict(content.get("sets") or {}), tuple(stages), Path(dictionary))


def _read_stage(entry: Mapping[str, Any], path: Path, before: list[str]) -> Stage:
    missing = {"name", "config", "train", "eval"} - entry.keys()
    unknown = entry.keys() - _KEYS
    if missing or unknown:
        raise ConfigError(
            f"{path}: stage {entry.get('name', len(before) + 1)}: expected {', '.join(_KEYS)}; "
            f"missing {sorted(missing)}, unknown {sorted(unknown)}"
        )
    name, source, options = entry["name"], entry.get("from"), dict(entry.get("options") or {})
    sources = source.values() if isinstance(source, dict) else [source] if source else []
    if name in before or not all(stage in before for stage in sources):
        raise ConfigError(
            f"{path}: stage {name}: expected a new name, and in from a stage before it "
            f"({', '.join(before) or 'none'}), got {name} from {source}"
        )
    config = path.parent / entry["config"]
    epochs = options.get("Global.epoch_num", load_config(config).sections["Global"]["epoch_num"])
    return Stage(name, config, epochs, dict(entry["train"]), tuple(entry["eval"]), source, options)
