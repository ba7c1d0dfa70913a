"""SimpleDataSet: PaddleOCR label files, `relative path<TAB>text`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runtime.errors import DatasetError, ImageError
from training.data.image_header import ratio_from_header
from training.data.sample import Sample


@dataclass(frozen=True)
class _Entry:
    names: tuple[str, ...]
    text: str


class SimpleDataSet:
    """Lines of one or more label files.

    A path may be a JSON list of several images with the same text; each epoch draws one.

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
        for file, share in zip(files, shares, strict=True):
            start = len(self._entries)
            self._read_label_file(Path(file), delimiter)
            self._parts.append((start, len(self._entries), share))
        if not self._entries:
            raise DatasetError(
                f"no lines in {', '.join(files)}: expected path{delimiter!r}text on each line; "
                "check the delimiter"
            )

    def _read_label_file(self, file: Path, delimiter: str) -> None:
        try:
            text = file.read_bytes().decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise DatasetError(
                f"cannot read the label file {file}: {error}; check Train/Eval.dataset"
            ) from error
        for number, line in enumerate(text.split("\n"), start=1):
            line = line.rstrip("\r")
            if not line:
                continue
            name, separator, label = line.partition(delimiter)
            if not separator or not name:
                self.malformed.append(f"{file}:{number}")
                continue
            self._entries.append(_Entry(_names(name), label))

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
        return self.data_dir / names[which]

    def read(self, index: int, epoch: int) -> Sample:
        """Encoded image and text of line `index`.

        Raises:
            ImageError: if the file cannot be read.
        """
        path = self._path(index, epoch)
        try:
            return Sample(path.read_bytes(), self._entries[index].text, str(path))
        except OSError as error:
            raise ImageError(f"{path}: {error.strerror or error}") from error

    def ratio(self, index: int, epoch: int) -> float:
        """Width over height from the file's header.

        Raises:
            ImageError: if the file is missing or not an image.
        """
        path = self._path(index, epoch)
        return ratio_from_header(path, str(path))


def _names(name: str) -> tuple[str, ...]:
    if name.startswith("["):
        try:
            names = json.loads(name)
        except ValueError:
            return (name,)
        if names and all(isinstance(one, str) for one in names):
            return tuple(names)
    return (name,)
