"""Writes a label file of what a teacher reads in images without labels."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from tqdm import tqdm

from runtime.cpu import available_cpus
from runtime.detection.detector import Detector
from runtime.detection.model.default import default_detector
from runtime.errors import DatasetError
from runtime.files import sha256_of_file, write_atomically, written_atomically
from runtime.images.read import read_image
from runtime.images.sources import sources_from
from runtime.lock import OutputLock
from runtime.pipeline import done_ahead
from training.data.image_sources import (
    Identity,
    Source,
    identity_of,
    listed_path,
    name_of,
    path_beside,
    relative_to,
    write_image,
)
from training.data.sample import OF_ONE_SAMPLE, Failure
from training.recognition.teacher.line_teacher import LineTeacher
from training.recognition.unlabelled.finding import lines_of_page
from training.recognition.unlabelled.journal import Journal
from training.recognition.unlabelled.judging import Demands, Judge, Verdict
from training.recognition.unlabelled.report import LabellingReport
from training.recognition.unlabelled.views import Image

_FORMAT = 1
_AHEAD = 4
"""Images that wait for each thread."""
SQUEEZED = "longer than the teacher takes"


@dataclass(frozen=True)
class Labelling:
    """Images without labels, and what is to become of them.

    Args:
        images: files, folders, patterns, and `@file` for a list of them.
        are_pages: whether lines have to be found in them; else each is a line.
        demands: of a line that is kept.
        detector: file of the detector; None for the one that comes along.
        max_text_length: characters of the longest label.
        output: the label file.
        crops: folder of the lines that are no image files of their own.
    """

    images: tuple[str, ...]
    are_pages: bool
    demands: Demands
    detector: str | None
    max_text_length: int
    output: Path
    crops: Path

    @property
    def journal(self) -> Path:
        """The file that lets a killed labelling go on."""
        return self.output.with_name(f".{self.output.name}.journal")

    @property
    def report(self) -> Path:
        """The file of the report's figures."""
        return self.output.with_name(f"{self.output.name}.report.json")


def label(order: Labelling, teacher: LineTeacher) -> LabellingReport:
    """Read images, and write the label file of the lines that are kept, its crops and report.

    Names in the label file are relative to its folder where they lie in it, else absolute. Killed
    and called again it ends in the same bytes.

    Args:
        order: what to read.
        teacher: reads; it was checked.

    Raises:
        ArtifactError: if another process writes the same file, or the detector cannot be used.
        DatasetError: if there is no image, or no line is kept.
        OSError: if the disk refuses.
    """
    sources: list[Source] = list(sources_from(order.images, with_pdf=order.are_pages))
    if not sources:
        raise DatasetError(
            f"no images in {', '.join(order.images)}: expected some, or pages of PDF files where "
            "lines are to be found on pages; name their folder"
        )
    order.output.parent.mkdir(parents=True, exist_ok=True)
    with (
        OutputLock(order.output),
        _Readers(order, teacher) as readers,
        Journal(order.journal, readers.settings, _has_files) as journal,
    ):
        return _write(_read_all(sources, readers, journal), order, journal)


def _read_all(sources: Sequence[Source], readers: _Readers, journal: Journal) -> list[int]:
    """Read the images that the journal does not know; return where the record of each stands."""

    def read(source: Source) -> int | dict[str, Any]:
        identity = identity_of(source)
        place = journal.place_of(name_of(source), identity)
        return readers.record(source, identity) if place is None else place

    threads = available_cpus()
    outcomes = done_ahead(read, sources, threads, threads * _AHEAD)
    places = []
    for outcome in tqdm(outcomes, "read by the teacher", len(sources), leave=False, delay=2):
        places.append(outcome if isinstance(outcome, int) else journal.add(outcome))
    return places


def _write(places: Sequence[int], order: Labelling, journal: Journal) -> LabellingReport:
    """Write the label file and the report of the images whose records stand at some places."""
    report = LabellingReport()
    with written_atomically(order.output) as file:
        for place in places:
            record = journal.read(place)
            if record["error"] is not None:
                report.add_unreadable(record["name"], record["error"])
                continue
            verdicts = [Verdict(*line[:4]) for line in record["lines"]]
            report.add_image(record["name"], verdicts)
            for verdict, line in zip(verdicts, record["lines"], strict=True):
                if verdict.reason is None:
                    file.write(f"{relative_to(line[-1], order.output.parent)}\t{verdict.text}\n")
        if not report.num_kept:
            raise DatasetError(
                "\n".join(
                    [
                        *report.lines(),
                        "no line can be learnt from: expected some; lower "
                        "least_confidence, or give another teacher or dictionary",
                    ]
                )
            )
    figures = json.dumps(report.as_json(), ensure_ascii=False, indent=1) + "\n"
    write_atomically(order.report, figures.encode(errors="surrogatepass"))
    return report


class _Readers:
    """Teachers and judges, one for each thread, and a detector for all of them.

    Args:
        order: what to read.
        teacher: copied for each thread.
    """

    def __init__(self, order: Labelling, teacher: LineTeacher) -> None:
        self._order, self._teacher = order, teacher
        self._of_thread = threading.local()
        self._detector: Detector | None = None

    def __enter__(self) -> _Readers:
        if self._order.are_pages:
            self._detector = Detector(self._detector_file, device="cpu", threads=1)
        return self

    def __exit__(self, *_: object) -> None:
        if self._detector is not None:
            self._detector.close()

    @property
    def _detector_file(self) -> str | Path:
        return self._order.detector or default_detector()

    @cached_property
    def settings(self) -> str:
        """Hash of everything besides the images that decides what becomes of them."""
        order = self._order
        told = {
            "format": _FORMAT,
            "teacher": self._teacher.view,
            "demands": asdict(order.demands),
            "max_text_length": order.max_text_length,
            "pages": order.are_pages,
            "crops": str(order.crops.absolute()),
            "detector": sha256_of_file(self._detector_file) if order.are_pages else None,
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def record(self, source: Source, identity: Identity) -> dict[str, Any]:
        """Read an image; return what the journal keeps of it."""
        record: dict[str, Any] = {"name": name_of(source), "identity": identity, "error": None}
        try:
            return {**record, "lines": list(self._lines(source))}
        except OF_ONE_SAMPLE as error:
            return {**record, "error": str(Failure.of(name_of(source), error)), "lines": []}

    def _lines(self, source: Source) -> Iterator[list[Any]]:
        """Yield verdict and file of each line of an image."""
        judge, folder = self._judge, self._order.crops
        image = read_image(source)
        if not self._order.are_pages:
            verdict = judge(image)
            path = listed_path(source)
            if verdict.reason is None and path is None:
                path = _written(path_beside(folder, source), image)
            yield [*astuple(verdict), path]
            return
        assert self._detector is not None
        for number, line in enumerate(lines_of_page(image, self._detector, judge.teacher)):
            verdict = judge(line.pixels)
            if line.is_squeezed and verdict.reason is None:
                verdict = replace(verdict, reason=SQUEEZED)
            path = None
            if verdict.reason is None:
                path = _written(path_beside(folder, source, number), line.pixels)
            yield [*astuple(verdict), path]

    @property
    def _judge(self) -> Judge:
        if not hasattr(self._of_thread, "judge"):
            order = self._order
            teacher = replace(self._teacher)
            self._of_thread.judge = Judge(teacher, order.max_text_length, order.demands)
        judge: Judge = self._of_thread.judge
        return judge


def crops_beside(output: Path) -> Path:
    """Return the folder of cut lines that belongs to a label file."""
    return output.with_name(f"{output.stem}_lines")


def _written(path: Path, image: Image) -> str:
    write_image(path, image)
    return str(path)


def _has_files(record: Mapping[str, Any]) -> bool:
    """Tell whether the files of the lines that were kept are still there."""
    return all(line[-1] is None or os.path.exists(line[-1]) for line in record["lines"])
