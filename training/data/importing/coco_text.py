"""COCO-Text: one JSON file of many pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from runtime.errors import DatasetError
from training.data.importing.files import json_of, text_of
from training.data.importing.page import (
    IGNORED,
    ImportedPage,
    LabelledText,
    box,
    labelled,
    page_of,
)


class CocoText:
    """A `Format`: `imgs` and `anns` of COCO-Text, version 1 or 2; what is illegible is ignored."""

    suffixes: ClassVar[Sequence[str]] = (".json",)

    def read(self, file: Path) -> Iterator[ImportedPage]:
        """Yield the pictures that have a text."""
        content = json_of(text_of(file), str(file))
        images, annotations = _tables(content, file)
        by_image: dict[str, list[LabelledText | None]] = {}
        for number, entry in annotations.items():
            where = f"{file}, annotation {number}"
            by_image.setdefault(str(entry.get("image_id")), []).append(_text_of(entry, where))
        for image, texts in by_image.items():
            named = images.get(image, {}).get("file_name")
            if not isinstance(named, str) or not named:
                raise DatasetError(
                    f"{file}: expected the file_name of image {image}, got {named!r}"
                )
            yield page_of(named, texts, str(file))


def _tables(
    content: Any, file: Path
) -> tuple[Mapping[str, Mapping[str, Any]], Mapping[str, Mapping[str, Any]]]:
    """Return images and annotations by id: mappings, or the lists that COCO's own files have."""
    found = []
    for names in (("imgs", "images"), ("anns", "annotations")):
        table = (
            next((content[name] for name in names if name in content), None)
            if isinstance(content, dict)
            else None
        )
        if isinstance(table, list):
            table = {str(entry.get("id")): entry for entry in table if isinstance(entry, dict)}
        if not isinstance(table, dict) or not all(isinstance(row, dict) for row in table.values()):
            raise DatasetError(f"{file}: expected {names[0]} of COCO-Text, got none; check --from")
        found.append({str(key): row for key, row in table.items()})
    return found[0], found[1]


def _text_of(entry: Mapping[str, Any], where: str) -> LabelledText | None:
    text = str(entry.get("utf8_string") or "")
    if entry.get("legibility") == "illegible" or not text.strip():
        text = IGNORED
    outline = entry.get("polygon") or entry.get("mask") or entry.get("segmentation")
    if isinstance(outline, list) and outline and isinstance(outline[0], list):
        outline = outline[0]
    if isinstance(outline, list) and len(outline) >= 6 and len(outline) % 2 == 0:
        return labelled(zip(outline[::2], outline[1::2], strict=True), text, where)
    place = entry.get("bbox")
    try:
        left, top, width, height = (float(number) for number in place or ())
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{where}: expected bbox of four numbers, got {place!r}") from error
    return labelled(box(left, top, left + width, top + height), text, where)
