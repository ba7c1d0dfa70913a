"""What a task makes of images on the command line, and how its results are written.

The rest of this room knows no task: it passes results on, which have a source, and an error where
an image could not be read.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runtime.cluster.opening import Opening
    from runtime.images.read import ImageSource
    from runtime.infer.records import Stream as TextStream
    from runtime.infer.records import Writer

    Stream = Callable[[Iterable[ImageSource]], Iterator["Result"]]
    Draw = Callable[[NDArray[np.uint8], Any], NDArray[np.uint8]]

READING, FINDING, PAGES = "rec", "det", "pages"
"""The first two as PaddleOCR's `model_type` names them."""

_TASKS = {
    READING: ("runtime.infer.recognition.task", "Reading"),
    FINDING: ("runtime.infer.detection.task", "Finding"),
    PAGES: ("runtime.infer.pages.task", "PageReading"),
}


class Result(Protocol):
    """What is made of an image, or why nothing is."""

    @property
    def source(self) -> str | None:
        """The path or name that was given."""

    @property
    def error(self) -> str | None:
        """Why the image could not be read."""

    @property
    def warnings(self) -> Sequence[str]:
        """Of what was left out, or may have impaired the result."""


class Labels(Protocol):
    """What images are said to hold, and how many results agree."""

    def compare(self, source: str | None, answer: Any) -> None:
        """Count an image, if it has a label."""

    def pass_over(self, source: str) -> None:
        """Count an image of an earlier run, if it has a label."""

    def check_use(self) -> None:
        """Raise ArtifactError if no label belongs to an image."""

    def summary(self) -> str:
        """Return the scores in a text."""


class Documents(Protocol):
    """What is written whole, or not at all."""

    num_failed: int
    """Documents that miss something, or are not written."""

    def take(self, source: ImageSource, result: Any) -> None:
        """Pass the result of a source on."""

    def close(self, is_complete: bool) -> None:
        """End the documents; where not all sources were read, those that wait for some are left."""

    def abandon(self) -> None:
        """Leave nothing of what is not finished."""

    def summary(self) -> str:
        """Return the end of a run's summary: where documents are written."""


class Task(Protocol):
    """A task of the command line; made of the command line's arguments."""

    unit: str
    """What is counted by the second, e.g. `lines`."""
    counted: str
    """What is counted in all, e.g. `images`."""
    max_pixels: int
    """A larger image is refused where the command line says nothing else."""
    reads_documents: bool
    """Whether PDF files are read, and looked for in folders."""
    models: Sequence[str]
    """Names of the options that name model files."""
    noted: Sequence[str]
    """Names of the options that a resumed run should have as the first one had."""
    entry: str
    """An entry that the records of this task have, and those of others have not."""
    columns: Sequence[str]
    """Of CSV, `file` first."""
    label_kinds: Sequence[str]
    """Formats that name pictures, to train on and to correct."""
    header: tuple[str, str]
    """Of the table's columns after the name."""
    shard_sizes: Mapping[int, int]
    """GPUs of a reader among many, 0 or 1 -> images that it is given at a time."""

    def opening(self, arguments: Namespace) -> Opening:
        """Say how what makes results of images is opened, in this process or on many machines."""

    def failed(self, source: ImageSource, error: str) -> Any:
        """Return the result of an image that ends every process that reads it."""

    def labels(self, arguments: Namespace) -> Labels | None:
        """Open the label file; None where none is given."""

    def is_for_another(self, result: Any) -> bool:
        """Tell whether an image looks made for another task."""

    def advice(self, count: int) -> str:
        """Return what is said of so many of these images."""

    def mistake(self, result: Any) -> str | None:
        """Return what a label says should have been read, where something else was."""

    def answer(self, result: Any) -> Any:
        """Return what is compared with a label."""

    def record(self, result: Any) -> dict[str, Any]:
        """Return the record of a result, with `file`, `error` and `entry`."""

    def schema(self, arrow: Any) -> Any:
        """Return PyArrow's schema of records.

        Args:
            arrow: the package pyarrow.
        """

    def documents(self, arguments: Namespace) -> Documents | None:
        """Open what writes whole files; None where none is asked for."""

    def writer(self, kind: str, stream: TextStream) -> Writer | None:
        """Return what writes a format that this task alone has; None for another format."""

    def rows(self, result: Any) -> Sequence[Sequence[object]]:
        """Return the values of CSV's columns, at least one row of them."""

    def rows_to_come(self, row: Sequence[str]) -> int:
        """Return how many rows of the same result follow a row that was written."""

    def line(self, result: Any) -> str:
        """Return what PaddleOCR's text format has after the name and a tab."""

    def cells(self, result: Any) -> tuple[str, str]:
        """Return the table's cells after the name, of a result without an error."""

    def open_drawing(self) -> Draw:
        """Return what draws a result on its image, BGR uint8 [h, w, 3].

        Raises:
            EngineError: if a package that it needs is not installed.
        """


def task_of(arguments: Namespace) -> Task:
    """Return the task that the command line asks for."""
    module, name = _TASKS[arguments.task]
    task: Task = getattr(import_module(module), name)(arguments)
    return task
