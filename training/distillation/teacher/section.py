"""What a config says of a teacher that is an ONNX file: `Architecture.Models.NAME.onnx`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from runtime.errors import ArtifactError
from runtime.files import sha256_of_file, user_cache
from training.distillation.teacher.cache import ReadingCache
from training.registry import Problems, unknown_name

ONNX = "onnx"
_SUFFIX = ".onnx"
_KEYS = frozenset({ONNX, "freeze_params", "cache_dir", "cache_mib"})
_DEFAULT_MIB, _MOST_MIB = 2048, 2**20
_MIB = 2**20


@dataclass(frozen=True)
class TeacherPlan:
    """An ONNX file that teaches, as a config names it.

    Args:
        name: of the network.
        path: of its section.
        onnx: the file.
        cache_dir: folder of what it read; the user's own where None.
        cache_mib: bound of what is kept there, in MiB; 0 keeps nothing.
        of_task: keys that only its task knows, for a file that does not describe itself.
    """

    name: str
    path: str
    onnx: str
    cache_dir: str | None = None
    cache_mib: int = _DEFAULT_MIB
    of_task: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Hash of the file; raises ArtifactError if it cannot be read."""
        return _sha256(self.onnx)

    @property
    def cache(self) -> ReadingCache:
        """What it read before; opened with the first image."""
        folder = user_cache() if self.cache_dir is None else Path(self.cache_dir)
        return ReadingCache(folder, self.cache_mib * _MIB)


def is_teacher(section: object) -> bool:
    """Tell whether the section of a network names an ONNX file."""
    return isinstance(section, Mapping) and ONNX in section


def read_teacher(
    section: Mapping[str, Any],
    name: str,
    path: str,
    keys_of_task: frozenset[str],
    problems: Problems,
) -> TeacherPlan | None:
    """Read the section of a teacher that is an ONNX file, which is not opened; None if it is wrong.

    Args:
        section: of the network.
        name: of the network.
        path: of the section.
        keys_of_task: that its task knows.
        problems: found problems are added to these.
    """
    num_problems = len(problems)
    known = _KEYS | keys_of_task
    for key in section.keys() - known:
        message = unknown_name("key of a network that is an ONNX file", key, known)
        problems.add(f"{path}.{key}", message)
    file, folder = section[ONNX], section.get("cache_dir")
    mib = section.get("cache_mib", _DEFAULT_MIB)
    if not isinstance(file, str) or Path(file).suffix.lower() != _SUFFIX:
        problems.add(f"{path}.{ONNX}", f"expected a file ending in {_SUFFIX}, got {file!r}")
    if section.get("freeze_params", True) is not True:
        message = "an ONNX file cannot learn: expected true, got"
        problems.add(f"{path}.freeze_params", f"{message} {section['freeze_params']!r}")
    if not isinstance(folder, str | None):
        problems.add(f"{path}.cache_dir", f"expected a folder, got {folder!r}")
    if type(mib) is not int or not 0 <= mib <= _MOST_MIB:
        problems.add(f"{path}.cache_mib", f"expected 0 to {_MOST_MIB} MiB, got {mib!r}")
    if len(problems) > num_problems:
        return None
    of_task = {key: section[key] for key in keys_of_task if section.get(key) is not None}
    return TeacherPlan(name, path, file, folder or None, mib, of_task)


def _sha256(file: str) -> str:
    try:
        found = os.stat(file)
        return _sha256_of(file, found.st_mtime_ns, found.st_size)
    except OSError as error:
        raise ArtifactError(
            f"cannot read the teacher {file}: {error.strerror}; expected an ONNX file"
        ) from error


@lru_cache(maxsize=16)
def _sha256_of(file: str, changed_ns: int, size: int) -> str:
    return sha256_of_file(file)
