"""SimpleDataSet: PaddleOCR label files, `relative path<TAB>text`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runtime.errors import DatasetError, ImageError
from runtime.text_lines import decoded
from training.data.image_header import ratio_from_header
from training.data.sample import Sample


@dataclass(frozen=True)
class _Entry:
    names: tuple[str, ...]
    text: str
    folder: Path


class SimpleDataSet:
    """Lines of one or more label files.

    A path may be a JSON list of several images with the same text; each epoch draws one. Where no
    file has a name as it stands, blanks around it are left out and `\\` is taken for `/`.

    Args:
        data_dir: folder that the paths are relative to.
        label_file_list: the label files; several may share a data set.
        ratio_list: share of each file's lines that an epoch uses, one for all or one a file.
        delimiter: between path and text.
        seed: of the lines drawn where a share is below 1.

    Raises:
        DatasetError: if a file is missing or holds no usable line.
    """

    def __init__(
        self,
        data_dir: str,
        label_file_list: Sequence[str] | str,
        ratio_list: float | Sequence[float] = 1.0,
        delimiter: str = "\t",
        seed: int = 0,
    ) -> None:
        files = [label_file_list] if isinstance(label_file_list, str) else list(label_file_list)
        shares = (
            [float(ratio_list)] * len(files)
            if isinstance(ratio_list, int | float)
            else [float(share) for share in ratio_list]
        )
        if len(shares) != len(files):
            raise DatasetError(
                f"ratio_list: expected {len(files)} shares, one a label file, got {len(shares)}"
            )
        self.data_dir = Path(data_dir)
        self.seed = seed
        self._entries: list[_Entry] = []
        self._parts: list[tuple[int, int, float]] = []
        self.malformed: list[str] = []
        self.notes: list[str] = []
        for file, share in zip(files, shares, strict=True):
            start = len(self._entries)
            self._read_label_file(Path(file), delimiter)
            self._parts.append((start, len(self._entries), share))
        if not self._entries:
            raise DatasetError(
                f"no lines in {', '.join(files)}: expected path{delimiter!r}text on each line, got "
                f"{len(self.malformed)} others; check the delimiter"
            )
        if self._entries[0].text.startswith('[{"transcription"'):
            raise DatasetError(
                f"{files[0]} holds labels of text detection: expected path{delimiter!r}text, got "
                "boxes; cut the lines out of their pages first"
            )

    def _read_label_file(self, file: Path, delimiter: str) -> None:
        with_tabs: list[int] = []
        for number, line in enumerate(read_label_text(file).split("\n"), start=1):
            line = line.rstrip("\r")
            if not line:
                continue
            name, separator, label = line.partition(delimiter)
            if not separator or not name.strip():
                self.malformed.append(f"{file}:{number}")
                continue
            if "\t" in label:
                with_tabs.append(number)
            self._entries.append(_Entry(_names(name), label, file.parent))
        if with_tabs:
            self.notes.append(
                f"{len(with_tabs)} lines of {file} have a tab in the text, e.g. line "
                f"{with_tabs[0]}: PaddleOCR leaves out what stands behind it; take it away if it "
                "is no text"
            )

    def __len__(self) -> int:
        return len(self._entries)

    def text(self, index: int, epoch: int) -> str:
        """Label of line `index`."""
        return self._entries[index].text

    def indices(self, epoch: int) -> Sequence[int]:
        """Every line, or the drawn share of each label file in its order."""
        if all(share == 1.0 for _, _, share in self._parts):
            return range(len(self))
        rng = np.random.default_rng([self.seed, epoch])
        chosen: list[int] = []
        for start, stop, share in self._parts:
            count = round((stop - start) * share)
            drawn = rng.choice(stop - start, size=count, replace=count > stop - start)
            chosen.extend(start + np.sort(drawn))
        return [int(index) for index in chosen]

    def _path(self, index: int, epoch: int) -> Path:
        names = self._entries[index].names
        which = 0
        if len(names) > 1:
            which = int(np.random.default_rng([self.seed, epoch, index]).integers(len(names)))
        return self._file(names[which])

    def _file(self, name: str) -> Path:
        """The file that a name of a label file stands for."""
        path = self.data_dir / name
        stripped = name.strip()
        if (stripped == name and "\\" not in name) or path.exists():
            return path
        for other in (stripped, stripped.replace("\\", "/")):
            if (self.data_dir / other).exists():
                return self.data_dir / other
        return path

    def _reason(self, index: int, path: Path) -> str:
        """Why there is no file, and where it may be."""
        folder = self._entries[index].folder
        beside = folder / path.relative_to(self.data_dir)
        if beside.is_file():
            return f"no such file, but {beside} is there: set data_dir to {folder}"
        return f"no such file: names are taken from data_dir {self.data_dir}"

    def read(self, index: int, epoch: int) -> Sample:
        """Encoded image and text of line `index`.

        Raises:
            ImageError: if the file cannot be read.
        """
        path = self._path(index, epoch)
        try:
            return Sample(path.read_bytes(), self._entries[index].text, str(path))
        except FileNotFoundError as error:
            raise ImageError(f"{path}: {self._reason(index, path)}") from error
        except (OSError, ValueError) as error:  # a zero byte in a path is a ValueError
            reason = error.strerror if isinstance(error, OSError) else error
            raise ImageError(f"{path}: {reason}") from error

    def ratio(self, index: int, epoch: int) -> float:
        """Width over height from the file's header.

        Raises:
            ImageError: if the file is missing or not an image.
        """
        path = self._path(index, epoch)
        try:
            return ratio_from_header(path, str(path))
        except ImageError as error:
            if path.exists():
                raise
            raise ImageError(f"{path}: {self._reason(index, path)}") from error


def read_label_text(file: Path) -> str:
    """Text of a label file: UTF-8, or what its byte-order mark says.

    Raises:
        DatasetError: if it cannot be read, or is of another encoding.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"cannot read the label file {file}: {error.strerror or error}; check "
            "Train/Eval.dataset"
        ) from error
    try:
        text = decoded(data)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DatasetError(
            f"cannot read the label file {file}: line {line} is not {error.encoding}; save the "
            "file as UTF-8"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DatasetError(
            f"cannot read the label file {file}: line {line} holds a zero byte, as UTF-16 without "
            "a byte-order mark does; save the file as UTF-8"
        )
    return text


def _names(name: str) -> tuple[str, ...]:
    if name.startswith("["):
        try:
            names = json.loads(name)
        except (ValueError, RecursionError):  # brackets of a name
            return (name,)
        if names and isinstance(names, list) and all(isinstance(one, str) for one in names):
            return tuple(names)
    return (name,)
