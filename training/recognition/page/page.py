"""One self-contained HTML page of an evaluation: figures, confusions, crops with what was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from rapidfuzz.distance import Levenshtein

from training.data.sample import SampleSource
from training.loop.page_parts import (
    data_url,
    document,
    facts_table,
    figures_table,
    images_of,
    left_out,
    sample,
    shrunk_to_fit,
    table,
    without_folder,
)
from training.recognition.page.confusion import Confusion, marked

if TYPE_CHECKING:
    from training.task import Batch

MOST_MISREAD, MOST_RIGHT, MOST_CONFUSIONS = 500, 50, 60
_SHORT = 5
"""A short page shows so many times fewer lines: 100 misread ones, some 300 KB."""
_HEIGHT_PX, _WIDTH_PX = 48, 1000


@dataclass(frozen=True)
class ReadLine:
    """A line as it was evaluated.

    Args:
        name: of the sample.
        label: what stands in it.
        text: what was read.
        confidence: 0 .. 1.
    """

    name: str
    label: str
    text: str
    confidence: float

    @property
    def distance(self) -> float:
        """0 for the same text .. 1."""
        return Levenshtein.normalized_distance(self.label, self.text)


class EvaluationPage:
    """Collects what the main network read, and writes it down.

    Args:
        network: the main network; empty for one by itself.
    """

    def __init__(self, network: str = "") -> None:
        self._network = network
        self._lines: list[ReadLine] = []
        self._confusion = Confusion()

    def take(self, decoded: Any, batch: Batch) -> None:
        """Add a batch, decoded as `Task.score` returns it."""
        read, labels = decoded[self._network] if self._network else decoded
        for name, (text, confidence), (label, _) in zip(batch.names, read, labels, strict=True):
            self._lines.append(ReadLine(name, label, text, float(confidence)))
            self._confusion.add(label, text)

    def html(
        self,
        facts: Mapping[str, str],
        figures: Mapping[str, Mapping[str, float]],
        source: SampleSource,
        indices: Iterable[int],
        is_short: bool = False,
    ) -> str:
        """Return the page.

        Args:
            facts: what was evaluated, in words.
            figures: of every network.
            source: of the samples, for their pictures.
            indices: of the samples.
            is_short: show fewer lines.
        """
        shrink = _SHORT if is_short else 1
        most, most_right = MOST_MISREAD // shrink, MOST_RIGHT // shrink
        misread = sorted((line for line in self._lines if line.distance), key=_worst_first)
        right = [line for line in self._lines if not line.distance]
        right.sort(key=lambda line: line.confidence)
        shown = [*misread[:most], *right[:most_right]]
        folder, names = without_folder({line.name for line in shown})
        found = {
            name: data_url(shrunk_to_fit(image, _HEIGHT_PX, _WIDTH_PX)[0])
            for name, image in images_of(names, source, indices)
        }

        def told(lines: Sequence[ReadLine]) -> list[str]:
            return [_line(line, found.get(line.name), names[line.name]) for line in lines]

        confusions = self._confusion.rows(MOST_CONFUSIONS)
        parts = [
            facts_table(facts, folder),
            figures_table(figures),
            "<h2>Characters read as others</h2>",
            table(("expected", "read", "times", "of it"), map(_confusion, confusions))
            if confusions
            else "<p>None.</p>",
            f"<h2>{len(misread)} lines misread, the worst first</h2>",
            *told(misread[:most]),
            left_out(len(misread) - most),
            f"<h2>{len(right)} lines read exactly, the least sure first</h2>",
            *told(right[:most_right]),
            left_out(len(right) - most_right),
        ]
        return document(f"{len(right)} of {len(self._lines)} lines read exactly", parts)


def _worst_first(line: ReadLine) -> tuple[float, float]:
    return -line.distance, -line.confidence


def _confusion(row: tuple[str, str, int, float | None]) -> tuple[str, ...]:
    wanted, got, count, share = row
    return (
        _shown(wanted) or "(nothing)",
        _shown(got) or "(nothing)",
        str(count),
        "" if share is None else f"{share:.1%}",
    )


def _shown(character: str) -> str:
    """Name a character that cannot be seen."""
    return "space" if character == " " else character


def _line(line: ReadLine, url: str | None, name: str) -> str:
    label, text = (_pieces(pieces) for pieces in marked(line.label, line.text))
    reading = "" if not line.distance else f"<br>read: <span class='t'>{text}</span>"
    told = f"is: <span class='t'>{label}</span>{reading}"
    return sample(url, told, f"{line.confidence:.3f} · {name}")


def _pieces(pieces: Iterable[tuple[str, bool]]) -> str:
    return "".join(
        f"<mark>{escape(piece)}</mark>" if differs else escape(piece) for piece, differs in pieces
    )
