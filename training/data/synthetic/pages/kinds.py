"""The kinds of pages, how often they come and how large they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from training.data.synthetic.pages.documents import (
    set_dense,
    set_letter,
    set_prose,
    set_typescript,
)
from training.data.synthetic.pages.receipts import set_receipt
from training.data.synthetic.pages.tables import set_form, set_invoice, set_table
from training.data.synthetic.pages.titles import set_catalogue, set_scene, set_title
from training.data.synthetic.pages.typesetter import Typesetter

Range = tuple[float, float]


@dataclass(frozen=True)
class Kind:
    """One kind of page.

    Args:
        set: sets a page.
        weight: how often it comes, against the others.
        ratio: least and greatest height by width.
        em: least and greatest size of the body type, in thousandths of the longest side.
        even: how often the type is as wide for every character.
        photo: how often it is photographed, at a difficulty of 0.5.
        is_trimmed: whether the sheet ends where the text does, most of the time.
    """

    set: Callable[[Typesetter], None]
    weight: float
    ratio: Range
    em: Range
    even: float = 0.0
    photo: float = 0.2
    is_trimmed: bool = False


_PORTRAIT = (1.25, 1.6)

KINDS: Mapping[str, Kind] = {
    "receipt": Kind(set_receipt, 0.28, (1.4, 3.2), (13, 25), 0.45, 0.15, True),
    "invoice": Kind(set_invoice, 0.09, (1.2, 1.6), (10, 17), 0.1, 0.15, True),
    "table": Kind(set_table, 0.08, (0.7, 1.6), (9, 19), 0.1),
    "form": Kind(set_form, 0.08, (0.9, 1.6), (11, 19), 0.1),
    "prose": Kind(set_prose, 0.11, _PORTRAIT, (9, 18)),
    "dense": Kind(set_dense, 0.05, (0.8, 1.6), (6.5, 10)),
    "typescript": Kind(set_typescript, 0.09, _PORTRAIT, (12, 20), 1.0, 0.1),
    "letter": Kind(set_letter, 0.05, _PORTRAIT, (10, 17), 0.15),
    "title": Kind(set_title, 0.05, (1.0, 1.7), (14, 32)),
    "catalogue": Kind(set_catalogue, 0.07, _PORTRAIT, (13, 20)),
    "scene": Kind(set_scene, 0.05, (0.6, 1.5), (14, 40), 0.0, 0.5),
}
