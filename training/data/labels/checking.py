"""Looks at labelled lines: what is missing, odd, or there twice."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from runtime.cpu import available_cpus
from runtime.errors import OcrError
from runtime.files import sha256_of_file
from runtime.images.read import read_image
from runtime.pipeline import done_ahead
from training.data.inspection import EXAMPLES, histogram
from training.data.labels.command import LabelledFile
from training.data.sample import OF_ONE_SAMPLE

_LABEL_OF_A_PAGE = '[{"'
_RARE, _SHOWN = 5, 60
_AHEAD = 1024
_SMALL_PX = 12


@dataclass
class LineReport:
    """What was found in labelled lines.

    Args:
        num_lines: of all files.
        faults: what makes a line useless -> examples; training leaves such lines out.
        oddities: what a person should look at -> examples.
        counts: how often each of both.
        characters: of all labels -> times.
        lengths: characters of a line -> lines.
        heights: of the images in px -> lines.
        ratios: width over height, rounded -> lines.
    """

    num_lines: int = 0
    faults: dict[str, list[str]] = field(default_factory=dict)
    oddities: dict[str, list[str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    characters: Counter[str] = field(default_factory=Counter)
    lengths: Counter[int] = field(default_factory=Counter)
    heights: Counter[int] = field(default_factory=Counter)
    ratios: Counter[int] = field(default_factory=Counter)

    def add(self, kind: dict[str, list[str]], reason: str, example: str) -> None:
        """Count a line under a reason."""
        self.counts[reason] += 1
        examples = kind.setdefault(reason, [])
        if len(examples) < EXAMPLES:
            examples.append(example)

    @property
    def num_faulty(self) -> int:
        """Lines that cannot be used."""
        return sum(self.counts[reason] for reason in self.faults)

    def lines(self) -> list[str]:
        """Return the report as text."""
        text = [f"{self.num_lines} lines, {self.num_faulty} of them cannot be used"]
        for title, kind in (("", self.faults), ("look at ", self.oddities)):
            for reason, examples in kind.items():
                text.append(f"  {title}{self.counts[reason]} {reason}, e.g. {'; '.join(examples)}")
        if self.lengths:
            text.append(f"  characters a line: {histogram(self.lengths)}")
        if self.heights:
            text.append(f"  height px: {histogram(self.heights)}")
            text.append(f"  width in heights: {histogram(self.ratios)}")
        rare = sorted(entry for entry, count in self.characters.items() if count < _RARE)
        text.append(f"  {len(self.characters)} characters")
        if rare:
            shown = "".join(rare[:_SHOWN])
            more = f" and {len(rare) - _SHOWN} more" if len(rare) > _SHOWN else ""
            text.append(f"  seen less than {_RARE} times: {shown!r}{more}")
        return text

    def as_json(self) -> dict[str, Any]:
        """Return the figures."""
        return {
            "lines": self.num_lines,
            "unusable": {reason: self.counts[reason] for reason in self.faults},
            "odd": {reason: self.counts[reason] for reason in self.oddities},
            "characters": dict(self.characters.most_common()),
        }


def report_on(files: Sequence[LabelledFile], known: Collection[str] | None = None) -> LineReport:
    """Look at every label and decode every image.

    Args:
        files: label files.
        known: characters of a dictionary; None where any will do.
    """
    report = LineReport()
    seen: dict[Path, str] = {}
    for labelled in files:
        for place in labelled.malformed:
            report.add(report.faults, "without a path, a tab and a text", place)
        report.num_lines += len(labelled.rows) + len(labelled.malformed)
        for row in labelled.rows:
            where = f"{row.file}:{row.number}"
            _look_at_text(report, row.text, where, known)
            path = labelled.path(row)
            before = seen.setdefault(path, row.text)
            if before != row.text:
                report.add(report.oddities, "with two texts for one image", where)
    _look_at_images(report, sorted(seen))
    return report


def _look_at_text(report: LineReport, text: str, where: str, known: Collection[str] | None) -> None:
    report.characters.update(text)
    report.lengths[len(text)] += 1
    shown = f"{where} {text[:40]!r}"
    if not text.strip():
        report.add(report.faults, "without a text", where)
    elif text.startswith(_LABEL_OF_A_PAGE):
        report.add(report.faults, "with the boxes of a page (see from_pages)", where)
    elif known is not None and not set(text) <= set(known):
        missing = "".join(sorted(set(text) - set(known)))
        report.add(report.faults, "with characters outside the dictionary", f"{where} {missing!r}")
    if text != text.strip() and text.strip():
        report.add(report.oddities, "with blanks at an end of the text", shown)
    if "\t" in text:
        report.add(report.oddities, "with a tab in the text", shown)
    if unicodedata.normalize("NFC", text) != text:
        report.add(report.oddities, "with accents as characters of their own (not NFC)", shown)


def _look_at_images(report: LineReport, paths: Sequence[Path]) -> None:
    """Decode images in threads, a bounded number waiting at a time; find the same file twice."""
    hashes: dict[str, Path] = {}
    looks = done_ahead(_look, paths, available_cpus(), _AHEAD)
    looked = tqdm(looks, "images", total=len(paths), leave=False, delay=2)
    for path, found in zip(paths, looked, strict=True):
        if isinstance(found, str):
            report.add(report.faults, "whose image cannot be read", f"{path}: {found}")
            continue
        height, width, digest = found
        report.heights[height] += 1
        report.ratios[round(width / height)] += 1
        twin = hashes.setdefault(digest, path)
        if twin != path:
            report.add(report.oddities, "whose image is there twice", f"{twin} {path}")
        if height > width * 1.5:
            report.add(report.oddities, "higher than wide: lines lie", str(path))
        if height < _SMALL_PX:
            report.add(report.oddities, f"lower than {_SMALL_PX} px", str(path))


def _look(path: Path) -> tuple[int, int, str] | str:
    """Return height, width and hash of an image, or why it cannot be read."""
    try:
        height, width = read_image(str(path)).shape[:2]
        return height, width, sha256_of_file(path)
    except OF_ONE_SAMPLE as error:
        return " ".join(str(error).split()) if isinstance(error, OcrError) else repr(error)
    except OSError as error:
        return error.strerror or str(error)
