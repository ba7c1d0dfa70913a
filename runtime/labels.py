"""PaddleOCR label files, `relative path<TAB>text`, to say how well images were read."""

from __future__ import annotations

from pathlib import Path

from runtime.edit_distance import edit_distance
from runtime.errors import ArtifactError


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
        self.num_read = 0
        self.num_exact = 0
        self.num_alike = 0
        self._num_edits = 0
        self._num_characters = 0

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
        if label is None:
            return
        self.num_read += 1
        self.num_exact += text == label
        self.num_alike += without_case_and_spaces(text) == without_case_and_spaces(label)
        self._num_edits += edit_distance(text, label)
        self._num_characters += len(label)

    @property
    def character_error_rate(self) -> float:
        """Characters to insert, leave out or replace, per character of the true texts."""
        return self._num_edits / max(1, self._num_characters)

    def summary(self) -> str:
        """E.g. `read exactly: 18 of 20 labelled images (90.0 %); …`."""
        return (
            f"read exactly: {self.num_exact} of {self.num_read} labelled images "
            f"({self._percent(self.num_exact)}); ignoring case and spaces: {self.num_alike} "
            f"({self._percent(self.num_alike)}); character error rate: "
            f"{100 * self.character_error_rate:.2f} %"
        )

    def _percent(self, number: int) -> str:
        return f"{100 * number / max(1, self.num_read):.1f} %"


def without_case_and_spaces(text: str) -> str:
    """What two texts are compared by where neither counts."""
    return "".join(text.split()).casefold()
