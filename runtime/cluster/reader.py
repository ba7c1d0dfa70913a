"""A recogniser as a replica of the service opens it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runtime.images.read import ImageSource
from runtime.recognition.recognizer import Recognizer
from runtime.recognition.result import Recognition


class Reader:
    """A recogniser in a process of its own: a replica of Ray Serve."""

    def open(self, model: str, options: Mapping[str, Any]) -> str:
        """Open the model and return its description.

        Args:
            model: path of the model file.
            options: arguments of `Recognizer`.

        Raises:
            OcrError: as `Recognizer`.
        """
        self.recognizer = Recognizer(model, **options)
        return self.recognizer.description

    def read(self, sources: Sequence[ImageSource]) -> list[Recognition]:
        """Read images."""
        return self.recognizer(sources)
