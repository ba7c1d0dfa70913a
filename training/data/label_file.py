"""SimpleDataSet and MultiScaleDataSet: PaddleOCR label files, `relative path<TAB>label`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from runtime.errors import DatasetError, ImageError
from runtime.images.pdf.source import RENDERING
from runtime.recognition.labels import LabelRow, path_of, read_labels
from training.data.image_header import ratio_from_header
from training.data.sample import Sample


class SimpleDataSet:
    """Labelled images of one or more label files.

    A path may be a JSON list of several images with the same label; each epoch draws one.

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
        self._rows: list[LabelRow] = []
        # First row, row behind the last and share of each file.
        self._parts: list[tuple[int, int, float]] = []
        self.malformed: list[str] = []
        self.notes: list[str] = []
        for file, share in zip(files, shares, strict=True):
            start = len(self._rows)
            self._read_label_file(Path(file), delimiter)
            self._parts.append((start, len(self._rows), share))
        if not self._rows:
            raise DatasetError(
                f"no lines in {', '.join(files)}: expected path{delimiter!r}text on each line, got "
                f"{len(self.malformed)} others; check the delimiter"
            )

    def _read_label_file(self, file: Path, delimiter: str) -> None:
        labels = read_labels(file, delimiter, remedy="check Train/Eval.dataset")
        rows = [self._read_row(row, delimiter) for row in labels.rows]
        self._rows += rows
        self.malformed += labels.malformed
        with_tabs = [row.number for row in rows if "\t" in row.text]
        if with_tabs:
            self.notes.append(
                f"{len(with_tabs)} lines of {file} have a tab in the text, e.g. line "
                f"{with_tabs[0]}: PaddleOCR leaves out what stands behind it; take it away if it "
                "is no text"
            )

    def _read_row(self, row: LabelRow, delimiter: str) -> LabelRow:
        """Return a row as it is used."""
        return row

    def __len__(self) -> int:
        return len(self._rows)

    def text(self, index: int, epoch: int) -> str:
        """Return the label of line `index`."""
        return self._rows[index].text

    def indices(self, epoch: int) -> Sequence[int]:
        """Return every line, or the drawn share of each label file in its order."""
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
        names = self._rows[index].names
        which = 0
        if len(names) > 1:
            which = int(np.random.default_rng([self.seed, epoch, index]).integers(len(names)))
        return path_of(self.data_dir, names[which])

    def _reason(self, index: int, path: Path) -> str:
        """Say that there is no file at `path`, and where it may be."""
        if "#page=" in path.name:
            return (
                "a page of a file, not a picture: save its pages as pictures, of a PDF e.g. with "
                f"{RENDERING}, and name these"
            )
        folder = self._rows[index].file.parent
        beside = folder / path.relative_to(self.data_dir)
        if beside.is_file():
            return f"no such file, but {beside} is there: set data_dir to {folder}"
        return f"no such file: names are taken from data_dir {self.data_dir}"

    def read(self, index: int, epoch: int) -> Sample:
        """Read the encoded image and the text of line `index`.

        Raises:
            ImageError: if the file cannot be read.
        """
        path = self._path(index, epoch)
        try:
            return Sample(path.read_bytes(), self._rows[index].text, str(path))
        except FileNotFoundError as error:
            raise ImageError(f"{path}: {self._reason(index, path)}") from error
        except (OSError, ValueError) as error:  # a zero byte in a path is a ValueError
            reason = error.strerror if isinstance(error, OSError) else error
            raise ImageError(f"{path}: {reason}") from error

    def ratio(self, index: int, epoch: int) -> float:
        """Return width over height from the file's header.

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


class MultiScaleDataSet(SimpleDataSet):
    """A `SimpleDataSet` whose batches a `MultiScaleSampler` plans.

    Args:
        data_dir, label_file_list, ratio_list, delimiter, seed: as `SimpleDataSet` takes them.
        ds_width: whether batches as PaddleOCR plans them are as wide as their lines; then width
            and height of the image, in px, may stand behind the text of each line.

    Raises:
        DatasetError: if a file is missing or holds no usable line.

    Source: PaddleOCR `simple_dataset`.
    """

    def __init__(
        self,
        data_dir: str,
        label_file_list: Sequence[str] | str,
        ratio_list: float | Sequence[float] = 1.0,
        delimiter: str = "\t",
        ds_width: bool = False,
        seed: int = 0,
    ) -> None:
        self.ds_width = ds_width
        super().__init__(data_dir, label_file_list, ratio_list, delimiter, seed)

    def _read_row(self, row: LabelRow, delimiter: str) -> LabelRow:
        """Take width and height off the text; the shape is read from the image itself."""
        if not self.ds_width:
            return row
        mark = re.escape(delimiter)
        return replace(row, text=re.sub(rf"{mark}\d+{mark}\d+\Z", "", row.text))
