"""Lists pages that nobody labelled, for detectors that learn a teacher's map of them."""

from __future__ import annotations

from pathlib import Path

from runtime.errors import DatasetError
from runtime.files import written_atomically
from runtime.images.read import read_image
from runtime.images.sources import sources_from
from runtime.lock import OutputLock
from training.data.image_sources import (
    Source,
    listed_path,
    name_of,
    path_beside,
    relative_to,
    write_image,
)
from training.data.inspection import EXAMPLES
from training.data.sample import OF_ONE_SAMPLE, Failure
from training.data.unlabelled import UnlabelledImages
from training.detection.labels import UNLABELLED


class PageLister:
    """The `Labeller` of detection: nothing is marked, a teacher's map says where text is.

    Pages of TIFF and PDF files are written as images of their own, beside the label file.
    """

    def label(self, images: UnlabelledImages) -> list[str]:
        """Write a label file in which no page has a label; return what is to be said of it."""
        output = images.output
        sources = sources_from(images.images, with_pdf=True)
        output.parent.mkdir(parents=True, exist_ok=True)
        num_listed = 0
        failures: list[str] = []
        with OutputLock(output), written_atomically(output) as file:
            for source in sources:
                try:
                    path = _file_of(source, output.with_name(f"{output.stem}_pages"))
                except OF_ONE_SAMPLE as error:
                    failures.append(str(Failure.of(name_of(source), error)))
                    continue
                file.write(f"{relative_to(path, output.parent)}\t{UNLABELLED}\n")
                num_listed += 1
            if not num_listed:
                raise DatasetError(
                    f"no pages in {', '.join(images.images)}: expected images or PDF files, got "
                    f"{'; '.join(failures[:EXAMPLES]) or 'none'}"
                )
        notes = [f"{output}: {num_listed} pages without labels"]
        if failures:
            notes.append(
                f"{len(failures)} could not be read, e.g. {'; '.join(failures[:EXAMPLES])}"
            )
        return notes


def _file_of(source: Source, folder: Path) -> str:
    """Return the path of a page; one that is no image file of its own is written as one."""
    path = listed_path(source)
    if path is not None:
        return path
    written = path_beside(folder, source)
    if not written.is_file():
        write_image(written, read_image(source))
    return str(written)
