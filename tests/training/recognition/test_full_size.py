"""Networks of the shipped sizes: outputs, losses and gradients as PaddleOCR computes them."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from paddle import nn

from tests.families import FULL_SIZE, Case, read_full_size, set_full_size_weights
from tests.family_checks import assert_full_size

FOLDERS = sorted(path for path in FULL_SIZE.iterdir() if "_rec" in path.name)


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda path: path.name)
def case(request: Any) -> Case:
    return read_full_size(request.param)


@pytest.fixture(scope="module")
def model(case: Case) -> Iterator[nn.Layer]:
    model = case.model()
    set_full_size_weights(model, case)
    yield model
    gc.collect()


def test_outputs_losses_gradients_and_merged_layers(case: Case, model: nn.Layer) -> None:
    assert_full_size(case, model)
