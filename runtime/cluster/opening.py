"""Says how a reader is opened: here, or in a process that need not have its files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from runtime.errors import ArtifactError
from runtime.images.read import DEFAULT_MAX_PIXELS, ImageSource


class ImageReader(Protocol):
    """What gives a result, a dataclass with a `source`, for each image."""

    @property
    def description(self) -> str:
        """Engines, versions, devices and threads obtained."""

    def stream(self, images: Iterable[ImageSource]) -> Iterator[Any]:
        """Yield a result for each image, in their order; called by several threads at once."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


@dataclass(frozen=True)
class Opening:
    """How a reader is opened.

    Args:
        factory: `module:name` of what returns an `ImageReader`, or is one.
        files: argument of the factory -> the path that it is given, and those of files that are
            looked for beside it.
        options: other arguments of the factory, which takes `threads` too.
        max_pixels: a larger image is refused.
        needs_gpu: whether it runs on a GPU only, or a GPU was asked for.
        may_use_gpu: whether a GPU is used where there is one.
    """

    factory: str
    files: Mapping[str, Sequence[str | Path]]
    options: Mapping[str, Any] = field(default_factory=dict)
    max_pixels: int = DEFAULT_MAX_PIXELS
    needs_gpu: bool = False
    may_use_gpu: bool = True

    def open(self, **options: Any) -> ImageReader:
        """Open the reader.

        Args:
            options: take the place of those of the same name.

        Raises:
            OcrError: as the factory.
        """
        module, _, name = self.factory.partition(":")
        paths = {argument: str(files[0]) for argument, files in self.files.items()}
        given = {**self.options, **paths, **options}
        reader: ImageReader = getattr(import_module(module), name)(**given)
        return reader

    def absolute(self) -> Opening:
        """Return the same for processes in another folder."""
        files = {
            argument: tuple(Path(file).absolute() for file in files)
            for argument, files in self.files.items()
        }
        return replace(self, files=files)

    def with_contents(self) -> SentOpening:
        """Return the same with what the files hold.

        Raises:
            ArtifactError: if a file that the factory is given cannot be read.
        """
        contents = {argument: _contents(files) for argument, files in self.files.items()}
        return SentOpening(self, contents)


@dataclass(frozen=True)
class SentOpening:
    """An `Opening` that is sent with its files.

    Args:
        opening: whose paths mean nothing where it arrives.
        contents: argument -> name of a file -> its bytes; the first is the one that is passed.
    """

    opening: Opening
    contents: Mapping[str, Mapping[str, bytes]]

    def open(self, **options: Any) -> ImageReader:
        """Open the reader, as `Opening.open`; its files lie in a folder until it is open."""
        with tempfile.TemporaryDirectory() as folder:
            files = {
                argument: _written(Path(folder) / argument, contents)
                for argument, contents in self.contents.items()
            }
            return replace(self.opening, files=files).open(**options)


def _contents(files: Sequence[str | Path]) -> dict[str, bytes]:
    """Read a file, and those that there are of the others."""
    first, *beside = map(Path, files)
    try:
        found = [first, *(file for file in beside if file.is_file())]
        return {file.name: file.read_bytes() for file in found}
    except OSError as error:
        raise ArtifactError(
            f"cannot read {error.filename}: {error.strerror}; check the path"
        ) from error


def _written(folder: Path, contents: Mapping[str, bytes]) -> list[Path]:
    """Write files into a new folder."""
    folder.mkdir()
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in contents]
