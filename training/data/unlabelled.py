"""UnlabelledDataSet: images that nobody labelled, beside labelled ones or alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from runtime.recognition.labels import LabelRow, path_of
from training.data.label_file import SimpleDataSet

MOST_VIEWS = 3
"""In which a line may be read: plain, of another width, cropped a little."""


@dataclass(frozen=True)
class UnlabelledImages:
    """Images without labels, as a config names them.

    Args:
        images: files, folders, patterns, and `@file` for a list of them.
        kind: what each of them shows.
        output: the label file that is made of them.
        options: what only the task knows: how sure a teacher has to be, and the like.
    """

    images: tuple[str, ...]
    kind: Literal["lines", "pages"]
    output: Path
    options: Mapping[str, Any]


class Labeller(Protocol):
    """Makes label files of images that nobody labelled, as a task does it."""

    def label(self, images: UnlabelledImages) -> list[str]:
        """Write the label file, names relative to its folder; return what is to be said of it.

        Raises:
            OcrError: if no label can be made.
        """


def problems_of_demands(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Report numbers of views, and confidences, that no line can meet."""
    problems = []
    views, least = options.get("views", 1), options.get("least_confidence", 0)
    if not 1 <= views <= MOST_VIEWS:
        problems.append(("views", f"expected 1 to {MOST_VIEWS}, got {views}"))
    if not 0 <= least <= 1:
        problems.append(("least_confidence", f"expected 0 to 1, got {least}"))
    return problems


class UnlabelledDataSet(SimpleDataSet):
    """Images that a teacher labels before training, behind those of label files, if there are any.

    What the teacher made of them stands in `output`, a label file as any other.

    Args:
        images: files, folders, patterns, and `@file` for a list of them.
        output: the label file that is made of them; what is in it can be looked at, mended, and
            trained on with `SimpleDataSet` from then on.
        labeller: of the task.
        kind: lines, or pages whose lines are found first.
        teacher: name of the ONNX file in `Architecture.Models`; the only one without it.
        detector: file of the network that finds lines on pages; None for the one that comes along.
        views: in which a line is read, 1 to 3.
        least_confidence: mean probability of a line's characters, 0 .. 1.
        spaces: `teacher` for its own alone, `gaps` for those too that gaps between characters tell
            of, `drop` to leave lines out where a gap tells of one that was not read.
        data_dir: folder that names in `label_file_list` are relative to.
        label_file_list: labelled images.
        ratio_list: share of each file's images that an epoch uses, that of `output` behind the
            others, or one for all.
        seed: of the images drawn where a share is below 1.

    Raises:
        DatasetError: if a file is missing, or nothing is left to learn from.
    """

    needs_teacher: ClassVar[bool] = True

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report numbers that no line can meet, and nothing to look at."""
        problems = problems_of_demands(options)
        if not options["images"]:
            problems.append(("images", "expected files, folders or lists, got none"))
        return problems

    def __init__(
        self,
        images: Sequence[str] | str,
        output: str,
        labeller: Labeller,
        kind: Literal["lines", "pages"] = "lines",
        teacher: str | None = None,
        detector: str | None = None,
        views: int = 3,
        least_confidence: float = 0.9,
        spaces: Literal["teacher", "gaps", "drop"] = "gaps",
        data_dir: str = ".",
        label_file_list: Sequence[str] | str = (),
        ratio_list: float | Sequence[float] = 1.0,
        seed: int = 0,
    ) -> None:
        self._output = Path(output)
        named = (images,) if isinstance(images, str) else tuple(images)
        options = {
            "detector": detector,
            "views": views,
            "least_confidence": least_confidence,
            "spaces": spaces,
        }
        notes = labeller.label(UnlabelledImages(named, kind, self._output, options))
        labelled = [label_file_list] if isinstance(label_file_list, str) else [*label_file_list]
        super().__init__(data_dir, [*labelled, output], ratio_list, seed=seed)
        self.notes += notes

    def _read_row(self, row: LabelRow, delimiter: str) -> LabelRow:
        """Take names of the label file that was made here from its own folder."""
        if row.file != self._output:
            return row
        folder = self._output.parent.absolute()
        return replace(row, names=tuple(str(path_of(folder, name)) for name in row.names))

    def _reason(self, index: int, path: Path) -> str:
        """Say that there is no file at `path`."""
        if self._rows[index].file == self._output:
            return f"no such file, which {self._output} names: start again to make it anew"
        return super()._reason(index, path)
