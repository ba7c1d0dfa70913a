"""Which batches of labelled lines are timed."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.training.real import label_file_of, spread_batches
from runtime.errors import DatasetError


def test_timed_batches_see_the_widths_of_all() -> None:
    widths = [50.0, 10.0, 40.0, 20.0, 30.0, 60.0]
    batches = [[number] for number in range(6)]
    chosen = spread_batches(batches, widths, 3)
    assert chosen == sorted(chosen)
    assert sorted(widths[index] for index in chosen) == [20.0, 40.0, 60.0]
    assert spread_batches(batches, widths, 6) == list(range(6))


def test_few_batches_are_taken_again() -> None:
    assert spread_batches([[0], [1]], [1.0, 2.0], 4) == [0, 0, 1, 1]


def test_a_folders_training_label_file_is_found(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="expected a label file"):
        label_file_of(tmp_path)
    file = tmp_path / "train.tsv"
    file.write_text("a.png\ta\n")
    assert label_file_of(tmp_path) == label_file_of(file) == file.resolve()
