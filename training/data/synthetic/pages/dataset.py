"""Rendered pages as a data set: any page at once, from its number alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from runtime.errors import DatasetError
from training.data.sample import Sample
from training.data.synthetic.dataset import check_range
from training.data.synthetic.pages.faces import Typefaces
from training.data.synthetic.pages.kinds import KINDS
from training.data.synthetic.pages.render import Page, render_page
from training.registry import unknown_name

STREAM = 0x9A6E5
"""Tells the chance of pages from that of their transforms, which has the same three numbers."""

SMALLEST_LONG_SIDE = 320
LARGEST_LONG_SIDE = 4096


class SyntheticPages:
    """Rendered pages with the boxes of their texts, made when they are asked for.

    A page depends on seed, epoch and index only, so training resumes exactly and the number of
    workers does not matter. Objects can be pickled; each process opens fonts when it needs them.

    Args:
        count: pages per epoch.
        seed: 0 or more.
        kinds: names of the kinds of pages; None for all.
        long_side: of a sheet, px, at most; sheets are 0.62 to 1 times as long.
        fonts: font files or folders of them; None for those of the machine.
        difficulty: 0 black on white, level, undisturbed .. 1 hard to read.

    Raises:
        DatasetError: if an argument is out of range, a font cannot be read or none has letters.
    """

    def __init__(
        self,
        count: int,
        seed: int,
        kinds: Sequence[str] | None = None,
        long_side: int = 1280,
        fonts: Sequence[str] | None = None,
        difficulty: float = 0.5,
    ) -> None:
        check_range("count", count, count >= 1, "at least 1")
        check_range("seed", seed, seed >= 0, "0 or more")
        for key, message in self.problems_of(
            {"kinds": kinds, "long_side": long_side, "difficulty": difficulty}
        ):
            raise DatasetError(f"{key}: {message}")
        self.count = count
        self.seed = seed
        self.difficulty = difficulty
        self.long_side = long_side
        self.kinds = tuple(KINDS) if kinds is None else tuple(dict.fromkeys(kinds))
        self.faces = Typefaces(fonts)

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report options out of range."""
        found = []
        kinds, side = options.get("kinds"), options.get("long_side", SMALLEST_LONG_SIDE)
        difficulty = options.get("difficulty", 0.0)
        if kinds is not None and not kinds:
            found.append(("kinds", f"expected at least one of {', '.join(KINDS)}, got none"))
        for kind in kinds or ():
            if kind not in KINDS:
                found.append(("kinds", unknown_name("kind of page", kind, KINDS)))
        if not SMALLEST_LONG_SIDE <= side <= LARGEST_LONG_SIDE:
            limits = f"{SMALLEST_LONG_SIDE} to {LARGEST_LONG_SIDE} px"
            found.append(("long_side", f"expected {limits}, got {side}"))
        if not 0 <= difficulty <= 1:
            found.append(("difficulty", f"expected 0 to 1, got {difficulty}"))
        return found

    def __len__(self) -> int:
        return self.count

    def page(self, index: int, epoch: int = 0) -> Page:
        """Draw one page.

        Args:
            index: 0 .. len - 1.
            epoch: 0 or more; each epoch has other pages.

        Raises:
            IndexError: if there is no such page.
        """
        if not 0 <= index < self.count:
            raise IndexError(f"page {index} of {self.count}")
        rng = np.random.default_rng([STREAM, self.seed, epoch, index])
        kinds = {name: KINDS[name] for name in self.kinds}
        return render_page(rng, self.faces, kinds, self.long_side, self.difficulty)

    def read(self, index: int, epoch: int) -> Sample:
        """Return page `index` as a sample of training, with PaddleOCR's label of a page."""
        page = self.page(index, epoch)
        return Sample(page.image, page.label, f"synthetic page {index} of epoch {epoch}")

    def text(self, index: int, epoch: int) -> str:
        """Return the label of page `index`; it is drawn for that."""
        return self.page(index, epoch).label

    def ratio(self, index: int, epoch: int) -> float:
        """Return width over height of page `index`; it is drawn for that."""
        height, width = self.page(index, epoch).image.shape[:2]
        return width / height

    def indices(self, epoch: int) -> range:
        """Return every page."""
        return range(self.count)

    @property
    def visible_characters(self) -> tuple[str, ...]:
        """Every character that can occur, sorted, without the space."""
        return self.faces.visible

    def provenance(self) -> dict[str, object]:
        """Return the settings that the pages follow from, to be written beside them."""
        return {
            "count": self.count,
            "seed": self.seed,
            "kinds": list(self.kinds),
            "long_side": self.long_side,
            "difficulty": self.difficulty,
            "fonts": list(self.faces.names),
        }
