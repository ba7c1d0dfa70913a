"""A file of results that holds only complete records, whenever and however the run ends."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from runtime.errors import ArtifactError
from runtime.files import part_path
from runtime.images.sources import IMAGE_SUFFIXES

_READ = IMAGE_SUFFIXES | {".pdf"}


def keep_inputs(output: str, sources: Iterable[str]) -> None:
    """Refuse to write records over what is read.

    Args:
        output: name of the file.
        sources: files, folders and patterns that are read.

    Raises:
        ArtifactError: if a source is the output, or the output is there and named as an image or a
            PDF file, which a folder may hold.
    """
    if not os.path.isfile(output):
        return
    is_input = Path(output).suffix.lower() in _READ
    is_input |= any(
        os.path.isfile(source) and os.path.samefile(source, output) for source in sources
    )
    if is_input:
        raise ArtifactError(
            f"{output} would be written over, which is read or named as if it were: expected "
            "another name for the results, such as results.jsonl"
        )


class ResultFile:
    """A text file to which records are written one at a time.

    A new file gets its name with the first record, or at the end of a run without records; until
    then an older file stays. From then on it is written in place, so that its records outlast any
    end of the run, killed or with a full disk, and `--resume` can continue it.

    Nothing is buffered here, so a record is in the file once `write` returns; a record that cannot
    be written completely is cut off again.

    Args:
        path: name of the file.
        encoding_errors: handling of characters that UTF-8 cannot encode.
        continue_after: length in bytes of the existing records to keep; None for a new file.

    Raises:
        ArtifactError: if the file cannot be written, or is no ordinary file.
    """

    def __init__(
        self, path: str | Path, encoding_errors: str, continue_after: int | None = None
    ) -> None:
        self._path = path
        self._encoding_errors = encoding_errors
        self.num_records = 0
        self._place = Path(os.path.realpath(path))  # of a link, the file it points to is replaced
        if self._place.exists() and not self._place.is_file():
            raise ArtifactError(
                f"cannot write {path}: expected the name of a file, got a folder or a "
                "device; name a file"
            )
        self._is_beside = continue_after is None
        self._written_to = part_path(self._place) if self._is_beside else self._place
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0)
        try:
            self._descriptor = os.open(self._written_to, flags, 0o666)
            self._num_bytes = continue_after or 0
            self._cut()
        except OSError as error:
            raise ArtifactError(
                f"cannot write {path}: {error.strerror}; name a file in a folder that exists and "
                "may be written to"
            ) from error

    def write(self, text: str) -> int:
        """Write a record.

        Raises:
            ArtifactError: if it cannot be written, e.g. because the disk is full.
        """
        rest = memoryview(text.encode("utf-8", self._encoding_errors))
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            if self._is_beside:
                self._take_place()
        except BaseException as error:  # also an interruption between two pieces of a record
            self._cut()
            if isinstance(error, OSError):
                raise self._failure(error) from error
            raise
        self._num_bytes = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        self.num_records += 1
        return len(text)

    def flush(self) -> None:
        """Do nothing, as nothing is buffered."""

    def __enter__(self) -> ResultFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            os.fsync(self._descriptor)
            if self._is_beside and kind is None:
                self._take_place()
        except OSError as failure:
            raise self._failure(failure) from failure
        finally:
            os.close(self._descriptor)
            if self._is_beside:
                self._written_to.unlink(missing_ok=True)

    def _cut(self) -> None:
        """Cut the file after its last complete record, and continue there."""
        os.ftruncate(self._descriptor, self._num_bytes)
        os.lseek(self._descriptor, 0, os.SEEK_END)

    def _take_place(self) -> None:
        """Give the new file its name."""
        self._written_to.replace(self._place)
        self._is_beside = False

    def _failure(self, error: OSError) -> ArtifactError:
        return ArtifactError(
            f"cannot write {self._path}: {error.strerror}; the {self.num_records} results written "
            "are whole: make room, then go on with --resume"
        )
