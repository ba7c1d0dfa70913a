"""PaddleOCR label files, `relative path<TAB>text`, to say how well images were read."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from runtime.errors import ArtifactError
from runtime.recognition.edit_distance import edit_distance
from runtime.text_lines import decoded

_LOG = logging.getLogger(__name__)

_NAMES_TRIED = 200
"""So many names of a label file are looked for, to find the folder that they belong to."""


class Labels:
    """The true text of images, and how well those read agree with it.

    Args:
        file: a label file, in UTF-8 or, with its byte-order mark, UTF-16. A name may be a JSON
            list of several images of one text, and have backslashes between folders.
        folder: that the names are relative to; when None the file's own, or the one folder above
            it in which images of these names are.

    Raises:
        ArtifactError: if it cannot be read or holds no label, or if images of its names are in
            several of the folders above it.
    """

    def __init__(self, file: str | Path, folder: str | Path | None = None) -> None:
        self._file = file
        named = list(_read(file))
        if not named:
            raise ArtifactError(
                f"no labels in {file}: expected lines of path, tab and text; check --labels"
            )
        self._is_folder_given = folder is not None
        self._folder = Path(folder) if folder is not None else _folder_of(Path(file), named)
        self._texts: dict[str, str] = {}
        for name, text in named:
            self._texts[_key(_path_in(self._folder, name))] = text
        self._unread = set(self._texts)
        self.num_read = 0
        self.num_exact = 0
        self.num_alike = 0
        self.num_read_before = 0
        self._num_edits = 0
        self._num_characters = 0

    @property
    def paths(self) -> list[str]:
        """The images, in the file's order."""
        return list(self._texts)

    def text_of(self, source: str | Path) -> str | None:
        """The true text of an image, None if it has no label."""
        return self._texts.get(_key(source))

    def compare(self, source: str | None, text: str) -> None:
        """Count one image that was read, if it has a label."""
        key = "" if source is None else _key(source)
        label = self._texts.get(key)
        if label is None:
            return
        self._unread.discard(key)
        self.num_read += 1
        self.num_exact += text == label
        self.num_alike += without_case_and_spaces(text) == without_case_and_spaces(label)
        self._num_edits += edit_distance(text, label)
        self._num_characters += len(label)

    def pass_over(self, source: str) -> None:
        """Note an image that an earlier run has read, if it has a label."""
        key = _key(source)
        self.num_read_before += key in self._texts
        self._unread.discard(key)

    def check_use(self) -> None:
        """Check that a label belongs to an image, read now or before.

        Raises:
            ArtifactError: if none does, with an example of a path that was looked for.
        """
        if self.num_read or self.num_read_before:
            return
        raise ArtifactError(
            f"none of the {len(self._texts)} labels in {self._file} belongs to an image that was "
            f"read, e.g. {self.paths[0]}; names are taken from the folder {self._folder}: "
            f"{'correct' if self._is_folder_given else 'name the right one with'} --labels-dir"
        )

    @property
    def character_error_rate(self) -> float:
        """Characters to insert, leave out or replace, per character of the true texts."""
        return self._num_edits / max(1, self._num_characters)

    def summary(self) -> str:
        """E.g. `read exactly: 18 of 20 labelled images (90.0 %); …`."""
        before = f"; {self.num_read_before} read before are not counted"
        absent = f"; {len(self._unread)} of {len(self._texts)} labels belong to no image read"
        tail = (before if self.num_read_before else "") + (absent if self._unread else "")
        if not self.num_read:
            return f"read exactly: no labelled image was read in this run{tail}"
        return (
            f"read exactly: {self.num_exact} of {self.num_read} labelled images "
            f"({self._percent(self.num_exact)}); ignoring case and spaces: {self.num_alike} "
            f"({self._percent(self.num_alike)}); character error rate: "
            f"{100 * self.character_error_rate:.2f} %{tail}"
        )

    def _percent(self, number: int) -> str:
        return f"{100 * number / max(1, self.num_read):.1f} %"


def without_case_and_spaces(text: str) -> str:
    """What two texts are compared by where neither counts."""
    return "".join(text.split()).casefold()


def _read(file: str | Path) -> Iterator[tuple[str, str]]:
    """The names in a label file and their texts."""
    try:
        text = decoded(Path(file).read_bytes())
    except UnicodeDecodeError as error:
        raise ArtifactError(
            f"cannot read the labels {file}: neither UTF-8 nor UTF-16 with its byte-order mark "
            f"({error}); save it as UTF-8"
        ) from error
    except (OSError, ValueError) as error:
        raise ArtifactError(f"cannot read the labels {file}: {error}; check --labels") from error
    for line in text.split("\n"):
        name, separator, label = line.rstrip("\r").partition("\t")
        if separator and name:
            for each in _names(name):
                yield each, label


def _names(name: str) -> Sequence[str]:
    """One name, or several from a JSON list, as training takes them."""
    if name.startswith("["):
        try:
            names = json.loads(name)
        except (ValueError, RecursionError):
            return (name,)
        if names and all(isinstance(each, str) for each in names):
            return tuple(names)
    return (name,)


def _folder_of(file: Path, named: Sequence[tuple[str, str]]) -> Path:
    """The folder of a label file, or the one above it that its names lead to images from.

    PaddleOCR takes names from the config's `data_dir`, which the label file does not know.
    """
    names = [name for name, _ in islice(named, _NAMES_TRIED)]
    if any(_is_there(file.parent, name) for name in names):
        return file.parent
    above = Path(os.path.realpath(file)).parent.parents
    found = [folder for folder in above if any(_is_there(folder, name) for name in names)]
    if len(found) > 1:
        raise ArtifactError(
            f"cannot tell which folder the names in {file} are relative to: images of these names "
            f"are in {' and in '.join(map(str, found))}; name one with --labels-dir"
        )
    if found:
        _LOG.info("names in %s are relative to %s, where their images are", file, found[0])
    return found[0] if found else file.parent


def _path_in(folder: Path, name: str) -> Path:
    """The path that a name stands for; backslashes part folders unless a file has them."""
    if "\\" in name and not _is_file(folder / name):
        name = name.replace("\\", "/")
    return folder / name


def _is_there(folder: Path, name: str) -> bool:
    """Whether a name leads to an image, or to the file whose page it is."""
    path = _path_in(folder, name)
    return _is_file(path) or _is_file(Path(os.fspath(path).partition("#page=")[0]))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False  # e.g. a name that is too long


def _key(path: str | Path) -> str:
    """What two names of one image have in common."""
    try:
        return os.path.realpath(path)
    except ValueError:
        return os.fspath(path)  # a zero byte is in it
