"""What tasks share of a report: counts, examples, evenly spread images, ranges."""

from __future__ import annotations

from collections import Counter

import pytest

from runtime.errors import DatasetError, ImageError
from tests.training.detection.plans import page
from training.data.inspection import Inspection, evenly_spread, histogram, inspect_images
from training.data.sample import Sample


class Images:
    """A source of so many images, every fourth of which cannot be read."""

    def __init__(self, count: int, png: bytes) -> None:
        self.count, self.png = count, png

    def __len__(self) -> int:
        return self.count

    def read(self, index: int, epoch: int) -> Sample:
        if index % 4 == 3:
            raise ImageError(f"{index}.png: cut short")
        return Sample(self.png, "", f"{index}.png")

    def ratio(self, index: int, epoch: int) -> float:
        return 2.0


@pytest.fixture
def images(encode) -> Images:  # type: ignore[no-untyped-def]
    return Images(9, encode(page(0)[0]))


def test_images_are_decoded_or_their_header_is_read(images: Images) -> None:
    inspection = Inspection("Train", num_tried=9)
    looked = inspect_images(inspection, images, range(9), {0, 3, 6})  # type: ignore[arg-type]
    assert list(looked) == [0, 1, 2, 4, 5, 6, 7, 8]
    assert looked[0].size == (96, 128) and looked[0].num_bytes == len(images.png)
    assert looked[0].ratio == pytest.approx(128 / 96)
    assert looked[1].size is None and (looked[1].ratio, looked[1].num_bytes) == (2.0, 0)
    assert inspection.dropped == {"unreadable": [3]}
    inspection.kept = list(looked)
    assert inspection.lines() == [
        "Train: 8 samples kept, 1 dropped",
        "  1 unreadable, e.g. sample 3: 3.png: cut short",
        "  3 of 9 images decoded, evenly spread; of the others the header was read: 1 of 3 images "
        "could not be read, e.g. sample 3: 3.png: cut short",
    ]
    inspection.refuse_unreadable(0.4)
    with pytest.raises(DatasetError, match=r"1 of 3 images .* stand for the rest"):
        inspection.refuse_unreadable(0.2)
    inspection.refuse_nothing_kept()


def test_a_set_of_nothing_is_refused() -> None:
    inspection = Inspection("Eval")
    inspection.drop_malformed(["row 1", "row 2", "row 3", "row 4"])
    with pytest.raises(DatasetError, match=r"(?s)4 malformed, e\.g\. row 1; row 2; row 3\n"):
        inspection.refuse_nothing_kept()
    assert inspection.as_json() == {"name": "Eval", "kept": 0, "dropped": {"malformed": 4}}


def test_an_even_spread() -> None:
    assert evenly_spread(range(5), most=5, spread=2) == [0, 1, 2, 3, 4]
    assert evenly_spread(range(6), most=5, spread=3) == [0, 2, 5]
    assert evenly_spread([], most=5, spread=3) == []


def test_many_values_are_shown_as_ranges() -> None:
    assert histogram(Counter({3: 2, 1: 5})) == "1: 5, 3: 2"
    assert (
        histogram(Counter(range(0, 32, 2)))
        == ", ".join(f"{start}-{start + 3}: 2" for start in range(0, 28, 4)) + ", 28-30: 2"
    )
