"""PaddleOCR label files, `relative path<TAB>text`, to say how well images were read."""

from __future__ import annotations

from pathlib import Path

from runtime.errors import ArtifactError
from runtime.recognition.scores import TextScores


class Labels:
    """The true text of images, and how well those read agree with it.

    Args:
        file: a label file; its paths are relative to its folder.

    Raises:
        ArtifactError: if it cannot be read or holds no label.
    """

    def __init__(self, file: str | Path) -> None:
        path = Path(file)
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ArtifactError(
                f"cannot read the labels {file}: {error}; check --labels"
            ) from error
        self._texts: dict[Path, str] = {}
        for line in text.split("\n"):
            name, separator, label = line.rstrip("\r").partition("\t")
            if separator:
                self._texts[(path.parent / name).resolve()] = label
        if not self._texts:
            raise ArtifactError(
                f"no labels in {file}: expected lines of path, tab and text; check --labels"
            )
        self.scores = TextScores()

    @property
    def paths(self) -> list[str]:
        """The images, in the file's order."""
        return [str(path) for path in self._texts]

    def text_of(self, source: str | Path) -> str | None:
        """The true text of an image, None if it has no label."""
        return self._texts.get(Path(source).resolve())

    def compare(self, source: str | None, text: str) -> None:
        """Count one image that was read, if it has a label."""
        label = self.text_of(source) if source is not None else None
        if label is not None:
            self.scores.add(text, label)
