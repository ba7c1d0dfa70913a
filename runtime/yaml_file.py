"""Reads untrusted YAML with bounded time and memory.

PyYAML's safe loader runs no code, but a file of 300 bytes can stand for 10^9 values (aliases of
aliases), a nested one overflows the stack, and keys or numbers can be chosen so that hashing or
multiplying them takes hours. Here a file is measured before its values are built.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import yaml

MOST_BYTES = 2 * 2**20
MOST_VALUES = 100_000
"""Bound of keys and values, with every alias written out; the longest known dictionary has
18,383."""
MOST_LEVELS = 64
_LONGEST_NUMBER = 128
"""Bound of the characters of a value that is not text: reading the number `1:1:1:...` takes time
quadratic in its length."""
_LONGEST_PATH = 1000
"""Characters of a dotted path whose line number is kept; for longer ones it is the parent's."""
_TEXT, _MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"


class YamlError(ValueError):
    """A text is not YAML, or exceeds a bound.

    Args:
        reason: what is wrong, in one line.
        line: where, from 1; None if that is not known.
    """

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason if line is None else f"line {line}: {reason}")
        self.reason = reason
        self.line = line


@dataclass(frozen=True)
class YamlDocument:
    """The content of a YAML text.

    Args:
        content: dicts with text as keys, lists, text, numbers; each alias is a copy.
        lines: line (from 1) of each dotted path of at most 1,000 characters.
    """

    content: Any
    lines: dict[str, int] = field(default_factory=dict)


def read_yaml(path: Path) -> YamlDocument:
    """Read a YAML file.

    Raises:
        OSError: if it cannot be read.
        YamlError: as `parse_yaml`.
        ImportError: if PyYAML is not installed.
    """
    with path.open("rb") as file:
        return parse_yaml(file.read(MOST_BYTES + 1))


def parse_yaml(text: str | bytes) -> YamlDocument:
    """Read a YAML text of one document.

    Args:
        text: bytes are UTF-8, or UTF-16 with a byte-order mark.

    Raises:
        YamlError: if it is not YAML, gives a key twice, has a key that is not text, or exceeds
            `MOST_BYTES`, `MOST_VALUES` or `MOST_LEVELS`.
        ImportError: if PyYAML is not installed.
    """
    import yaml

    if len(text) > MOST_BYTES:
        raise YamlError(f"expected at most {MOST_BYTES} bytes, got more")
    lines: dict[str, int] = {}
    try:
        loader = _bounded_loader()(text)
        root = loader.get_single_node()
        if root is None:
            return YamlDocument(None)
        _check_expanded_size(root)
        lines.update(_lines_below(root, ""))
        content = loader.construct_document(root)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error)
        line = None if mark is None else mark.line + 1
        raise YamlError(" ".join(reason.split()), line) from error
    except YamlError:
        raise
    except (ValueError, TypeError, AttributeError, ArithmeticError, LookupError) as error:
        # The tag does not fit the value, as in `!!int x` or the date 2026-99-99.
        raise YamlError(f"a value cannot be what it is tagged or looks as: {error}") from error
    return YamlDocument(_unshared(content), lines)


@cache
def _bounded_loader() -> type[yaml.SafeLoader]:
    """Return a loader class that checks the bounds; PyYAML is imported only here."""
    import yaml

    class Bounded(yaml.SafeLoader):
        """Checks the bounds at every node, while the tree of nodes grows."""

        levels = 0
        values = 0

        def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
            """Compose a node, of which PyYAML calls this for each child."""
            self.levels += 1
            self.values += 1
            event = self.peek_event()
            line = event.start_mark.line + 1
            if self.levels > MOST_LEVELS:
                raise YamlError(f"nested deeper than {MOST_LEVELS} levels", line)
            if self.values > MOST_VALUES:
                raise YamlError(f"more than {MOST_VALUES} keys and values", line)
            node = super().compose_node(parent, index)
            self.levels -= 1
            if isinstance(event, yaml.AliasEvent):  # its node was checked where it stands
                return node
            if isinstance(node, yaml.MappingNode):
                _check_keys(node)
            elif (
                isinstance(node, yaml.ScalarNode)
                and node.tag != _TEXT
                and len(node.value) > _LONGEST_NUMBER
            ):
                raise YamlError(f"a number or date of {len(node.value)} characters", line)
            return node

    return Bounded


def _check_keys(node: yaml.MappingNode) -> None:
    """Refuse keys given twice, and keys other than text: whole numbers can share one hash."""
    first_lines: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if key.tag == _MERGE:
            continue
        if key.tag != _TEXT or not isinstance(key.value, str):
            shown = key.value if isinstance(key.value, str) else "a list or mapping"
            raise YamlError(f"expected text as a key, got {shown:.40}; put it in quotes", line)
        if key.value in first_lines:
            first = first_lines[key.value]
            reason = f"the key {key.value:.80} is given twice, here and on line {first}"
            raise YamlError(f"{reason}; remove one of them", line)
        first_lines[key.value] = line


def _children(node: yaml.Node) -> list[yaml.Node]:
    """Return the nodes directly below, keys and values alike."""
    if isinstance(node.value, str):
        return []
    pairs = (entry if isinstance(entry, tuple) else (entry,) for entry in node.value)
    return [child for pair in pairs for child in pair]


def _check_expanded_size(root: yaml.Node) -> None:
    """Refuse aliases that contain themselves, or stand for too many values or levels.

    The walk visits each node once, children first, with a stack of its own instead of recursion;
    the size of a node is 1 plus the sum of its children's.
    """
    sizes: dict[int, tuple[int, int]] = {}
    open_nodes: set[int] = set()
    stack = [root]
    while stack:
        node = stack[-1]
        if id(node) in sizes:
            stack.pop()
            continue
        line = node.start_mark.line + 1
        children = _children(node)
        if id(node) not in open_nodes:
            # First visit: its children come first, and the node again after them.
            open_nodes.add(id(node))
            waiting = [child for child in children if id(child) not in sizes]
            if any(id(child) in open_nodes for child in waiting):
                raise YamlError("an alias holds itself", line)
            stack.extend(waiting)
            continue
        values = 1 + sum(sizes[id(child)][0] for child in children)
        levels = 1 + max((sizes[id(child)][1] for child in children), default=0)
        if values > MOST_VALUES or levels > MOST_LEVELS:
            reason = f"with its aliases written out it has more than {MOST_VALUES} values"
            raise YamlError(f"{reason} or {MOST_LEVELS} levels", line)
        sizes[id(node)] = values, levels
        open_nodes.discard(id(node))
        stack.pop()


def _lines_below(node: yaml.Node, path: str) -> Iterator[tuple[str, int]]:
    """Yield the dotted path and the line of every entry below a node."""
    for index, entry in enumerate([] if isinstance(node.value, str) else node.value):
        key, value = entry if isinstance(entry, tuple) else (entry, entry)
        name = str(index) if key is value else key.value
        below = f"{path}.{name}" if path else name
        if len(below) <= _LONGEST_PATH:
            yield below, key.start_mark.line + 1
            yield from _lines_below(value, below)


def _unshared(value: Any) -> Any:
    """Copy a value so that no two places share an object, as aliases do."""
    if isinstance(value, dict):
        return {key: _unshared(below) for key, below in value.items()}
    return [_unshared(below) for below in value] if isinstance(value, list) else value
