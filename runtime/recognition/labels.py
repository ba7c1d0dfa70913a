"""Reads PaddleOCR label files, `path<TAB>text`, and matches them with images."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.errors import ArtifactError, DatasetError, OcrError
from runtime.recognition.csv_labels import csv_labels
from runtime.recognition.scores import TextScores
from runtime.text_lines import decoded

_LOG = logging.getLogger(__name__)

_NAMES_TRIED = 200
"""Names of a label file that are looked for, to find the folder that they are relative to."""


@dataclass(frozen=True, slots=True)
class LabelRow:
    """A line of a label file.

    Args:
        file: the label file.
        number: of the line, from 1 on.
        names: of the images with this text, as written; several if they are a JSON list.
        text: of the images.
    """

    file: Path
    number: int
    names: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class LabelFile:
    """The content of a label file.

    Args:
        rows: the labels, in the file's order.
        malformed: `file:number` of each line without a name or delimiter, but for empty lines.
    """

    rows: tuple[LabelRow, ...]
    malformed: tuple[str, ...]


def read_labels(
    file: str | Path,
    delimiter: str = "\t",
    fault: type[OcrError] = DatasetError,
    remedy: str = "check the path",
) -> LabelFile:
    """Read a label file in UTF-8 or, with its byte-order mark, UTF-16; lines may end in CR LF.

    Args:
        file: the label file; a name in `.csv` tells one of a spreadsheet (see `csv_labels`).
        delimiter: between the name and the text, which may hold it too.
        fault: type of the error.
        remedy: of the error if the file cannot be read.

    Raises:
        OcrError: of the type `fault`, if the file cannot be read or is in another encoding.
    """
    path = Path(file)
    rows: list[LabelRow] = []
    malformed: list[str] = []
    if path.suffix.lower() == ".csv" and delimiter == "\t":
        for number, csv_name, text in csv_labels(_decode(path, fault, remedy)):
            if csv_name is not None and csv_name.strip():
                rows.append(LabelRow(path, number, _names(csv_name), text))
            else:
                malformed.append(f"{file}:{number}")
        return LabelFile(tuple(rows), tuple(malformed))
    for number, line in enumerate(_decode(path, fault, remedy).split("\n"), start=1):
        line = line.rstrip("\r")
        name, separator, text = line.partition(delimiter)
        if separator and name.strip():
            rows.append(LabelRow(path, number, _names(name), text))
        elif line:
            malformed.append(f"{file}:{number}")
    return LabelFile(tuple(rows), tuple(malformed))


def labelled_images(file: Path) -> Iterator[tuple[Path, str]]:
    """Yield path and text of each image of a label file; names are relative to its folder.

    Raises:
        DatasetError: if the file cannot be read.
    """
    for row in read_labels(file).rows:
        for name in row.names:
            yield path_of(file.parent, name), row.text


def path_of(folder: Path, name: str) -> Path:
    """Return the path that a name of a label file stands for.

    If no file has the name as written, blanks around it are stripped and backslashes separate
    folders, as in lists written on Windows.

    Args:
        folder: that names are relative to.
        name: a name of a row.
    """
    path, stripped = folder / name, name.strip()
    if (stripped == name and "\\" not in name) or _is_there(path):
        return path
    without_blanks = folder / stripped
    return without_blanks if _is_there(without_blanks) else folder / stripped.replace("\\", "/")


class Labels:
    """The true texts of images, and the scores of the recognised ones.

    Args:
        file: a label file.
        folder: that the names are relative to; when None the file's own, or the only folder above
            it that holds images of these names.

    Raises:
        ArtifactError: if the file cannot be read or holds no label, or if several folders above it
            hold images of its names.
    """

    def __init__(self, file: str | Path, folder: str | Path | None = None) -> None:
        self._file = file
        labels = read_labels(file, fault=ArtifactError, remedy="check --labels")
        others = ""
        if labels.malformed:
            others = f"{len(labels.malformed)} lines without a tab or a name, e.g. "
            others += labels.malformed[0]
        if not labels.rows:
            raise ArtifactError(
                f"no labels in {file}: expected lines of path, tab and text, got "
                f"{others or 'none'}; check --labels"
            )
        if others:
            _LOG.warning("left out of the labels in %s: %s", file, others)
        named = [(name, row.text) for row in labels.rows for name in row.names]
        self._is_folder_given = folder is not None
        self._folder = Path(folder) if folder is not None else _folder_of(Path(file), named)
        self._texts = {_key(path_of(self._folder, name)): text for name, text in named}
        self._unread = set(self._texts)
        self.num_read_before = 0
        self.scores = TextScores()

    @property
    def paths(self) -> list[str]:
        """Paths of the labelled images, in the file's order."""
        return list(self._texts)

    def text_of(self, source: str | Path) -> str | None:
        """Return the true text of an image, None if it has no label."""
        return self._texts.get(_key(source))

    def compare(self, source: str | None, text: str) -> None:
        """Count an image that was read, if it has a label."""
        key = "" if source is None else _key(source)
        label = self._texts.get(key)
        if label is not None:
            self._unread.discard(key)
            self.scores.add(text, label)

    def pass_over(self, source: str) -> None:
        """Count an image that an earlier run has read, if it has a label."""
        key = _key(source)
        self.num_read_before += key in self._texts
        self._unread.discard(key)

    def check_use(self) -> None:
        """Check that at least one label belongs to an image, read now or before.

        Raises:
            ArtifactError: if none does, with an example of a path that was looked for.
        """
        if not self.scores.num_read and not self.num_read_before:
            remedy = "correct" if self._is_folder_given else "name the right one with"
            raise ArtifactError(
                f"none of the {len(self._texts)} labels in {self._file} belongs to an image that "
                f"was read, e.g. {self.paths[0]}; names are taken from the folder {self._folder}: "
                f"{remedy} --labels-dir"
            )

    def summary(self) -> str:
        """Return the scores in a text, and what was not compared."""
        parts = ["read exactly: no labelled image was read in this run"]
        if self.scores.num_read:
            parts = [self.scores.summary()]
        if self.num_read_before:
            parts.append(f"{self.num_read_before} read before are not counted")
        if self._unread:
            parts.append(
                f"{len(self._unread)} of {len(self._texts)} labels belong to no image read"
            )
        return "; ".join(parts)


def _decode(path: Path, fault: type[OcrError], remedy: str) -> str:
    """Read a text file in UTF-8, or in UTF-16 with its byte-order mark."""
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # a zero byte in a path is a ValueError
        reason = error.strerror if isinstance(error, OSError) else error
        raise fault(f"cannot read the labels {path}: {reason or error}; {remedy}") from error
    try:
        text = decoded(data)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise fault(
            f"cannot read the labels {path}: expected UTF-8, or UTF-16 with its byte-order mark, "
            f"got other bytes in line {line}; save the file as UTF-8"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise fault(
            f"cannot read the labels {path}: expected text, got a zero byte in line {line}, as "
            "UTF-16 without a byte-order mark has it; save the file as UTF-8"
        )
    return text


def _names(name: str) -> tuple[str, ...]:
    """Return the name, or the several names of a JSON list."""
    if name.startswith("["):
        try:
            names = json.loads(name)
        except (ValueError, RecursionError):  # the bracket is part of a file name
            return (name,)
        if names and isinstance(names, list) and all(isinstance(entry, str) for entry in names):
            return tuple(names)
    return (name,)


def _folder_of(file: Path, named: Sequence[tuple[str, str]]) -> Path:
    """Return the folder of a label file, or the one above it that holds images of its names.

    PaddleOCR takes names from the config's `data_dir`, which the label file does not know.
    """
    names = [name for name, _ in named[:_NAMES_TRIED]]
    if any(_has_image(file.parent, name) for name in names):
        return file.parent
    above = Path(os.path.realpath(file)).parent.parents
    found = [folder for folder in above if any(_has_image(folder, name) for name in names)]
    if len(found) > 1:
        raise ArtifactError(
            f"cannot tell which folder the names in {file} are relative to: images of these names "
            f"are in {' and in '.join(map(str, found))}; name one with --labels-dir"
        )
    if found:
        _LOG.info("names in %s are relative to %s, where their images are", file, found[0])
    return found[0] if found else file.parent


def _has_image(folder: Path, name: str) -> bool:
    """Tell whether a name is that of an image, or of a page of an image file."""
    path = path_of(folder, name)
    return _is_there(path) or _is_there(Path(os.fspath(path).partition("#page=")[0]))


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False  # e.g. a name that is too long, or has a zero byte in it


def _key(path: str | Path) -> str:
    """Return a path that is the same for all names of an image."""
    try:
        return os.path.realpath(path)
    except ValueError:
        return os.fspath(path)  # a zero byte is in it
