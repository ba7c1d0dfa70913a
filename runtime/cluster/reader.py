"""Runs on the machines of a cluster: a reader with a recogniser of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.cluster.addresses import fetched
from runtime.cluster.shards import is_address
from runtime.engines.sidecar import sidecar_path
from runtime.errors import ArtifactError
from runtime.images.read import ImageSource
from runtime.recognition.model.inference_yml import FILE_NAME
from runtime.recognition.recognizer import Recognizer
from runtime.recognition.result import Recognition

_FETCHES_AT_ONCE = 16


@dataclass(frozen=True)
class ModelFiles:
    """The files of a model, to be sent to other machines.

    Args:
        model: name of the model's file.
        dictionary: name of the dictionary's file, None where the model carries its characters.
        contents: file name -> bytes.
    """

    model: str
    dictionary: str | None
    contents: Mapping[str, bytes]

    @classmethod
    def of(cls, model: str | Path, dictionary: str | Path | None) -> ModelFiles:
        """Read the model's file, those that belong beside it, and the dictionary.

        Raises:
            ArtifactError: if the model or the dictionary cannot be read.
        """
        path = Path(model)
        beside = [sidecar_path(path), path.with_name(FILE_NAME)]
        files = [path, *(file for file in beside if file.is_file())]
        if dictionary is not None:
            files.append(Path(dictionary))
        try:
            contents = {file.name: file.read_bytes() for file in files}
        except OSError as error:
            raise ArtifactError(
                f"cannot read {error.filename}: {error.strerror}; check --model and --dictionary"
            ) from error
        name = None if dictionary is None else Path(dictionary).name
        return cls(path.name, name, contents)


class Reader:
    """A recogniser in a process of its own: an actor of Ray, or a replica of Ray Serve."""

    def open(self, model: str | ModelFiles, options: Mapping[str, Any]) -> str:
        """Open the model and return its description.

        Args:
            model: a path, or the files themselves.
            options: arguments of `Recognizer`.

        Raises:
            OcrError: as `Recognizer`.
        """
        if isinstance(model, ModelFiles):
            with tempfile.TemporaryDirectory() as folder:
                for name, data in model.contents.items():
                    (Path(folder) / name).write_bytes(data)
                dictionary = None if model.dictionary is None else Path(folder) / model.dictionary
                place = Path(folder) / model.model
                self.recognizer = Recognizer(place, **{**options, "dictionary": dictionary})
        else:
            self.recognizer = Recognizer(model, **options)
        self._fetchers = ThreadPoolExecutor(_FETCHES_AT_ONCE, "fetch")
        return self.recognizer.description

    def read(self, sources: Sequence[ImageSource]) -> list[Recognition]:
        """Read a shard; images at addresses are fetched first."""
        if any(map(is_address, sources)):
            sources = list(self._fetchers.map(self._fetch, sources))
        return self.recognizer(sources)

    def _fetch(self, source: ImageSource) -> ImageSource:
        """Fetch a source that is an address; return any other unchanged."""
        if is_address(source):
            return fetched(str(source), self.recognizer.max_pixels)
        return source
