"""One self-contained HTML page of an evaluation: figures, confusions, crops with what was read."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import cv2
from rapidfuzz.distance import Levenshtein

from runtime.images.read import read_image
from training.data.sample import OF_ONE_SAMPLE, SampleSource
from training.recognition.labels import ctc_label
from training.recognition.page.confusion import Confusion, marked

if TYPE_CHECKING:
    from training.run import Run
    from training.task import Batch

MOST_MISREAD, MOST_RIGHT, MOST_CONFUSIONS = 500, 50, 60
_HEIGHT_PX, _WIDTH_PX = 48, 1000
_STYLE = """
body{font:15px/1.4 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .7em;text-align:left}
th{border-bottom:1px solid #999}.n{text-align:right}code,.t{font-family:ui-monospace,monospace}
.t{white-space:pre-wrap}mark{background:#ffd0d0}.line{border-top:1px solid #ddd;padding:.6em 0}
.line img{display:block;max-width:100%}.dim{color:#777;font-size:85%}
@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}mark{background:#733;color:#fff}}
"""


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
        run: that is evaluated.
        network: its main network; empty for one by itself.
    """

    def __init__(self, run: Run, network: str) -> None:
        self._post_process, self._network = run.post_process, network
        self._lines: list[ReadLine] = []
        self._confusion = Confusion()

    @staticmethod
    def of(run: Run) -> EvaluationPage:
        """Open the page of a run's main network."""
        return EvaluationPage(run, run.metric.key if run.plan.model.is_distillation else "")

    def take(self, outputs: Any, batch: Batch) -> None:
        """Add a batch."""
        decoded = self._post_process(outputs, ctc_label(batch.arrays))
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
        most: int = MOST_MISREAD,
    ) -> str:
        """Return the page.

        Args:
            facts: what was evaluated, in words.
            figures: of every network.
            source: of the samples, for their pictures.
            indices: of the samples.
            most: misread lines that are shown, and a tenth of it that were read.
        """
        most_right = most * MOST_RIGHT // MOST_MISREAD
        misread = sorted((line for line in self._lines if line.distance), key=_worst_first)
        right = [line for line in self._lines if not line.distance]
        right.sort(key=lambda line: line.confidence)
        shown = [*misread[:most], *right[:most_right]]
        pictures = _pictures({line.name for line in shown}, source, indices)
        title = f"{len(right)} of {len(self._lines)} lines read exactly"
        parts = [
            "<!doctype html><html><head><meta charset='utf-8'>",
            "<meta name='viewport' content='width=device-width'>",
            f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1>",
            _table(("", ""), [(name, value) for name, value in facts.items()]),
            _figures(figures),
            "<h2>Characters read as others</h2>",
            _table(
                ("expected", "read", "times", "of it"),
                map(_confusion, self._confusion.rows(MOST_CONFUSIONS)),
            )
            if self._confusion.pairs
            else "<p>None.</p>",
            f"<h2>{len(misread)} lines misread, the worst first</h2>",
            *(_line(line, pictures) for line in misread[:most]),
            _left_out(len(misread) - most),
            f"<h2>{len(right)} lines read exactly, the least sure first</h2>",
            *(_line(line, pictures) for line in right[:most_right]),
            _left_out(len(right) - most_right),
            "</body></html>\n",
        ]
        return "\n".join(part for part in parts if part)


def _worst_first(line: ReadLine) -> tuple[float, float]:
    return -line.distance, -line.confidence


def _pictures(names: set[str], source: SampleSource, indices: Iterable[int]) -> dict[str, str]:
    """Return small pictures of samples as data URLs; none of what cannot be read."""
    found: dict[str, str] = {}
    for index in indices:
        if len(found) == len(names):
            break
        try:
            sample = source.read(index, 0)
            if sample.name not in names or sample.name in found:
                continue
            image = sample.image
            image = read_image(image) if isinstance(image, bytes) else image
            height, width = image.shape[:2]
            scale = min(1.0, _HEIGHT_PX / height, _WIDTH_PX / width)
            size = max(1, round(width * scale)), max(1, round(height * scale))
            small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        except OF_ONE_SAMPLE:
            continue
        data = base64.b64encode(cv2.imencode(".png", small)[1].tobytes()).decode()
        found[sample.name] = f"data:image/png;base64,{data}"
    return found


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(
        "<tr>" + "".join(f"<td class='t'>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _figures(figures: Mapping[str, Mapping[str, float]]) -> str:
    names = list(next(iter(figures.values())))
    rows = [
        (network, *(f"{values[name]:.4f}" for name in names)) for network, values in figures.items()
    ]
    return _table(("network", *names), rows)


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


def _line(line: ReadLine, pictures: Mapping[str, str]) -> str:
    label, text = (_pieces(pieces) for pieces in marked(line.label, line.text))
    url = pictures.get(line.name)
    picture = f"<img alt='' src='{url}'>" if url else "<p class='dim'>no picture</p>"
    reading = "" if not line.distance else f"<br>read: <span class='t'>{text}</span>"
    return (
        f"<div class='line'>{picture}is: <span class='t'>{label}</span>{reading}"
        f"<div class='dim'>{line.confidence:.3f} · {escape(line.name)}</div></div>"
    )


def _pieces(pieces: Iterable[tuple[str, bool]]) -> str:
    return "".join(
        f"<mark>{escape(piece)}</mark>" if differs else escape(piece) for piece, differs in pieces
    )


def _left_out(count: int) -> str:
    return f"<p class='dim'>and {count} more</p>" if count > 0 else ""
