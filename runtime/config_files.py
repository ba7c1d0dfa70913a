"""Finds config files: by path, or by name among those that come along."""

from __future__ import annotations

import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from runtime.errors import ConfigError
from runtime.files import found_along, places_along

SUFFIXES = (".yml", ".yaml")
_FOLDER = Path("configs")


def configs_along() -> dict[str, Path]:
    """Return the configs that come with the project by their names, such as `gain/student`.

    A name is the path below `configs`, without its suffix; it is empty where none came along.
    """
    for folder in places_along(_FOLDER):
        if folder.is_dir():
            files = sorted(file for file in folder.rglob("*") if file.suffix in SUFFIXES)
            return {file.relative_to(folder).with_suffix("").as_posix(): file for file in files}
    return {}


def find_config(named: str | Path) -> Path:
    """Return the file of a config.

    Args:
        named: a path, from the working folder or, if nothing is there, from the project's own
            (`configs/fine_tune.yml`); or a name of those that come along (`fine_tune`,
            `gain/student`), where no folder is needed if no other has that name.

    Raises:
        ConfigError: if several of those that come along have the name, or none has it and it has
            no suffix.
    """
    path = found_along(named)
    if os.path.exists(path) or path.suffix in SUFFIXES:
        return path
    known = configs_along()
    name = Path(named).as_posix().removeprefix(f"{_FOLDER}/")
    matching = _matching(name, known)
    if len(matching) == 1:
        return known[matching[0]]
    if matching:
        raise ConfigError(f"-c {named}: expected one config, got {', '.join(matching)}; name one")
    close = get_close_matches(name, [*known, *(Path(key).name for key in known)], 1)
    nearest = f"; did you mean {close[0]}?" if close else ""
    raise ConfigError(
        f"cannot read the config {named}: expected a file, or one of {len(known)} names that "
        f"`distilrec configs` lists, got neither{nearest}"
    )


def _matching(name: str, known: Iterable[str]) -> list[str]:
    """Return the names that are `name`, or end with it if none is."""
    names = list(known)
    return [name] if name in names else [key for key in names if key.endswith(f"/{name}")]
