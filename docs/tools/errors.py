"""Lists the messages of errors that the code raises: what happened, expected and got, remedy.

    python docs/tools/errors.py [WORD ...]      # those that hold all of these words

The site takes its table of messages from here whenever it is built, so that it cannot go stale.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
CHAPTERS = {
    "Reading": ("runtime", ("infer", "pages")),
    "Images and PDF files": ("runtime", ("images", "processes")),
    "Models and engines": ("runtime", ("engines", "recognition", "detection")),
    "Many machines": ("runtime", ("cluster",)),
    "The service": ("runtime", ("serve",)),
    "Files, settings, everything else that reads": ("runtime", ()),
    "Data to train on": ("training", ("data", "recipes")),
    "Training": ("training", ()),
    "Export": ("export", ()),
    "The command line": ("distilrec", ()),
}
"""Heading -> wing and its rooms; without rooms, all that no chapter before it has."""
_ENDS = ("Error", "Refusal")
_BUILTIN = ("ValueError", "TypeError", "KeyError", "IndexError", "RuntimeError", "OSError")
_NO_MESSAGE = ("AssertionError", "AttributeError", "ImportError", "ArgumentTypeError")
_REPORTS = {"error", "add", "append"}
_HOLE = re.compile(r"<[^>]*>")
_LEAST_WORDS = 3


class Message(NamedTuple):
    """A message of an error.

    Args:
        what: happened, with `<name>` where a value stands.
        cause: what was expected, and got; "" if the message does not say.
        remedy: "" if the message does not say.
        file: that raises it.
    """

    what: str
    cause: str
    remedy: str
    file: Path


def messages(files: Iterator[Path]) -> list[Message]:
    """Return the messages of source files, in the order of their words, none twice."""
    found: dict[str, Message] = {}
    for file in files:
        for text in _texts(ast.parse(file.read_text(encoding="utf-8"))):
            text = " ".join(text.split())
            if len(_HOLE.sub("", text).split()) >= _LEAST_WORDS:
                found.setdefault(text, Message(*parts_of(text), file))
    return sorted(found.values(), key=lambda message: _HOLE.sub("", message.what).lower())


def chapter(heading: str) -> list[Message]:
    """Return the messages of a chapter."""
    wing, rooms = CHAPTERS[heading]
    taken = {room for other, others in CHAPTERS.values() if other == wing for room in others}

    def files() -> Iterator[Path]:
        for file in sorted((ROOT / wing).rglob("*.py")):
            room = file.relative_to(ROOT / wing).parts[0]
            if room in rooms or (not rooms and room not in taken):
                yield file

    return messages(files())


def parts_of(text: str) -> tuple[str, str, str]:
    """Part a message as they are made: what: expected X, got Y; remedy."""
    head, colon, rest = text.partition(": expected ")
    if not colon:
        what, _, remedy = text.partition("; ")
        return what, "", remedy
    cause, _, remedy = rest.partition("; ")
    return head, f"expected {cause}", remedy


def table(heading: str) -> str:
    """Return a chapter as Markdown."""
    rows = [
        f"| {_cell(message.what)} | {_cell(message.cause)} | {_cell(message.remedy)} |"
        for message in chapter(heading)
    ]
    return "\n".join([f"## {heading}", "", "| message | cause | remedy |", "|---|---|---|", *rows])


def _texts(tree: ast.Module) -> Iterator[str]:
    """Yield the texts of all errors that a module raises or reports."""
    assigned = _assigned(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            name = ast.unparse(node.exc.func).rpartition(".")[2]
            if name.endswith(_ENDS) and name not in (*_BUILTIN, *_NO_MESSAGE):
                for argument in node.exc.args:
                    yield from _text_of(argument, assigned)
        elif _is_report(node):
            for text in _text_of(node.args[-1], assigned):
                if "expected" in text or node.func.attr == "error":
                    yield text


def _is_report(node: ast.AST) -> bool:
    """Tell whether a call collects a problem, or gives one to the command line's parser."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _REPORTS
        and bool(node.args)
    )


def _assigned(tree: ast.Module) -> dict[str, list[ast.expr]]:
    """Return what texts a module gives to each name."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, []).append(node.value)
    return found


def _text_of(node: ast.expr, assigned: dict[str, list[ast.expr]]) -> Iterator[str]:
    """Yield what an expression may say, nothing if it is no text of the module's own."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(
            str(part.value) if isinstance(part, ast.Constant) else f"<{_name(part)}>"
            for part in node.values
        )
    elif isinstance(node, ast.Name):
        for value in assigned.get(node.id, ()):
            if not isinstance(value, ast.Name):
                yield from _text_of(value, assigned)
    elif isinstance(node, ast.IfExp):
        yield from _text_of(node.body, assigned)
        yield from _text_of(node.orelse, assigned)


def _name(part: ast.expr) -> str:
    """Return a word for a value in a message."""
    value = part.value if isinstance(part, ast.FormattedValue) else part
    if isinstance(value, ast.Name):
        return value.id.strip("_").lower()
    if isinstance(value, ast.Attribute):
        return value.attr
    return "…"


def _cell(text: str) -> str:
    """Return a text as a cell of a table."""
    for sign in "\\|*_<>[]{}#~":
        text = text.replace(sign, f"\\{sign}" if sign not in "<>" else f"&{'lg'[sign == '>']}t;")
    return text.replace("$", "&#36;")


def main() -> None:
    """Print the messages that hold all words of the command line."""
    words = [word.lower() for word in sys.argv[1:]]
    for heading in CHAPTERS:
        for message in chapter(heading):
            text = "\n    ".join(part for part in message[:3] if part)
            if all(word in text.lower() for word in words):
                print(f"{text}\n    ({message.file.relative_to(ROOT)})")


if __name__ == "__main__":
    main()
