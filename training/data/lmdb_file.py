"""LMDBDataSet: PaddleOCR's keys `num-samples`, `image-%09d`, `label-%09d` (from 1)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from runtime.errors import DatasetError, ImageError
from training.data.image_header import ratio_from_header
from training.data.sample import Sample

_environments: dict[Path, Any] = {}
"""Open databases of this process: LMDB refuses to open one twice, and Train and Eval may share."""


class LMDBDataSet:
    """Lines of every LMDB folder under `data_dir`, in sorted order.

    Databases are opened on first use, once per process; the set itself can be handed to workers.

    Args:
        data_dir: a folder that is, or holds at any depth, LMDB folders.
        ratio_list: share of each database's lines that an epoch uses, one for all or one each.
        seed: of the lines drawn where a share is below 1.

    Raises:
        DatasetError: if there is none, or one lacks `num-samples`.
    """

    def __init__(
        self, data_dir: str, ratio_list: float | Sequence[float] = 1.0, seed: int = 0
    ) -> None:
        self.seed = seed
        self._folders = sorted(file.parent for file in Path(data_dir).rglob("data.mdb"))
        if not self._folders:
            raise DatasetError(f"no LMDB under {data_dir}: expected a folder with data.mdb")
        counts = [self._count(folder) for folder in self._folders]
        self._starts = np.concatenate([[0], np.cumsum(counts)]).tolist()
        if isinstance(ratio_list, int | float):
            ratio_list = [float(ratio_list)]
        shares = [float(share) for share in ratio_list]
        self._shares = shares * len(counts) if len(shares) == 1 else shares
        if len(self._shares) != len(counts):
            raise DatasetError(
                f"ratio_list: expected {len(counts)} shares, one a database, got {len(shares)}"
            )

    def _get(self, folder: Path, key: str) -> bytes | None:
        import lmdb

        try:
            with _environment(folder).begin() as transaction:
                value: bytes | None = transaction.get(key.encode())
                return value
        except lmdb.Error as error:
            raise ImageError(
                f"{folder}: {key} cannot be read: {error}; make the database again"
            ) from error

    def _count(self, folder: Path) -> int:
        value = self._get(folder, "num-samples")
        if value is None or not value.isdigit():
            raise DatasetError(
                f"{folder} lacks the key num-samples: expected PaddleOCR's LMDB keys"
            )
        entries = int(_environment(folder).stat()["entries"])
        count = value.decode().lstrip("0") or "0"
        # Compared by length first: a number of a million digits is not worth reading.
        if len(count) > len(str(entries)) or int(count) > entries:
            raise DatasetError(
                f"{folder}: num-samples is {count:.20}, but the database has {entries} keys in "
                "all: expected two for each sample; make it again"
            )
        return int(count)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def _locate(self, index: int) -> tuple[Path, int]:
        which = int(np.searchsorted(self._starts, index, side="right")) - 1
        return self._folders[which], index - self._starts[which] + 1

    def text(self, index: int, epoch: int) -> str:
        """Return the label of line `index`; empty when its key is missing."""
        folder, number = self._locate(index)
        return (self._get(folder, f"label-{number:09d}") or b"").decode("utf-8", "replace")

    def indices(self, epoch: int) -> Sequence[int]:
        """Return every line, or the drawn share of each database."""
        if all(share == 1.0 for share in self._shares):
            return range(len(self))
        rng = np.random.default_rng([self.seed, epoch])
        chosen: list[int] = []
        for start, stop, share in zip(self._starts, self._starts[1:], self._shares, strict=False):
            drawn = rng.choice(stop - start, size=round((stop - start) * share), replace=share > 1)
            chosen.extend(int(start + line) for line in np.sort(drawn))
        return chosen

    def read(self, index: int, epoch: int) -> Sample:
        """Read the encoded image and the text of line `index`.

        Raises:
            ImageError: if the image's key is missing.
        """
        folder, number = self._locate(index)
        name = f"{folder}#{number}"
        image = self._get(folder, f"image-{number:09d}")
        if image is None:
            raise ImageError(f"{name}: no key image-{number:09d}")
        return Sample(image, self.text(index, epoch), name)

    def ratio(self, index: int, epoch: int) -> float:
        """Return width over height from the image's header.

        Raises:
            ImageError: if it is not an image.
        """
        sample = self.read(index, epoch)
        return ratio_from_header(sample.image, sample.name)


def _environment(folder: Path) -> Any:
    """Return the database in `folder`, opened once in this process."""
    folder = folder.resolve()
    if folder not in _environments:
        try:
            import lmdb
        except ImportError as error:
            raise DatasetError("LMDBDataSet needs lmdb: pip install 'distilrec[train]'") from error
        try:
            _environments[folder] = lmdb.open(
                str(folder), readonly=True, lock=False, readahead=False, meminit=False
            )
        except lmdb.Error as error:
            raise DatasetError(f"cannot open the LMDB {folder}: {error}; make it again") from error
        _refuse_cut_short(folder, _environments[folder])
    return _environments[folder]


def _refuse_cut_short(folder: Path, environment: Any) -> None:
    """Refuse a file shorter than its own count of pages: reading behind its end kills a process."""
    needed = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    size = (folder / "data.mdb").stat().st_size
    if size < needed:
        del _environments[folder]
        environment.close()
        raise DatasetError(
            f"the LMDB {folder} is cut short: expected {needed} bytes, got {size}; copy it again"
        )
