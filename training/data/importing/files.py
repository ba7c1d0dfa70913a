"""Files of labels from outside, read within bounds: text, JSON, XML without entities."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from xml.parsers import expat

from runtime.errors import DatasetError
from runtime.text_lines import decoded

MOST_BYTES = 256 * 2**20
_MOST_XML_BYTES = 64 * 2**20
_MOST_ELEMENTS, _DEEPEST = 2_000_000, 100


def bytes_of(file: Path, most: int = MOST_BYTES) -> bytes:
    """Read a file of labels.

    Raises:
        DatasetError: if it cannot be read or is larger than any such file.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(most + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DatasetError(f"cannot read {file}: {reason}; check the path") from error
    if len(content) > most:
        raise DatasetError(f"{file}: expected at most {most >> 20} MiB, got more; split it")
    return content


def text_of(file: Path) -> str:
    """Read a text in UTF-8 or, with its byte-order mark, UTF-16.

    Raises:
        DatasetError: as `bytes_of`, or if it is in another encoding.
    """
    content = bytes_of(file)
    try:
        return decoded(content)
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{file}: expected UTF-8, or UTF-16 with its byte-order mark, got other bytes at "
            f"{error.start}; save it as UTF-8"
        ) from error


def json_of(text: str, where: str) -> Any:
    """Parse JSON; raises DatasetError if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{where}: expected JSON, got {text[:40]!r}: {error}") from error


@dataclass
class Element:
    """An element of an XML file.

    Args:
        name: without its name space.
        attributes: by name, without name spaces.
        text: directly in it.
        children: in order.
    """

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def find(self, *names: str) -> Iterator[Element]:
        """Yield the nearest elements of these names below, none of those inside them."""
        for child in self.children:
            if child.name in names:
                yield child
            else:
                yield from child.find(*names)

    def first(self, name: str) -> Element | None:
        """Return the first child of this name."""
        return next((child for child in self.children if child.name == name), None)


def xml_of(file: Path) -> Element:
    """Parse an XML file, without entities of its own, and nothing from elsewhere.

    Returns:
        The root.

    Raises:
        DatasetError: if it is none, declares entities, or is larger or deeper than any such file.
    """
    content = bytes_of(file, _MOST_XML_BYTES)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    top = Element("")
    path = [top]
    num_elements = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal num_elements
        num_elements += 1
        if num_elements > _MOST_ELEMENTS or len(path) > _DEEPEST:
            raise DatasetError(
                f"{file}: expected at most {_MOST_ELEMENTS} elements, {_DEEPEST} deep, got more"
            )
        element = Element(_local(name), {_local(key): text for key, text in attributes.items()})
        path[-1].children.append(element)
        path.append(element)

    def end(name: str) -> None:
        path.pop()

    def characters(text: str) -> None:
        path[-1].text += text

    def refuse(*declared: object) -> NoReturn:
        raise DatasetError(
            f"{file}: declares entities, which labels do not need and which are not followed; "
            "take the declaration out"
        )

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = characters
    parser.EntityDeclHandler = parser.UnparsedEntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise DatasetError(f"{file}: expected XML: {error}; save it again") from error
    return top.children[0]


def _local(name: str) -> str:
    return name.rpartition(":")[2]
