"""Networks of the shipped sizes: outputs, losses and gradients as PaddleOCR computes them."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from tests.beside import PADDLEOCR_NUMBERS
from tests.families import FULL_SIZE, Case, read_full_size, set_full_size_weights
from tests.family_checks import assert_full_size

FOLDERS = {
    path.name: path
    for folder in (PADDLEOCR_NUMBERS / "full_size", FULL_SIZE)
    for path in folder.glob("*_det*")
}
"""Those of the repository, and where they are the others beside it."""


@pytest.fixture(params=sorted(FOLDERS))
def case(request: Any) -> Case:
    return read_full_size(FOLDERS[request.param])


def test_outputs_losses_gradients_and_merged_layers(case: Case) -> None:
    model = case.model()
    set_full_size_weights(model, case)
    assert_full_size(case, model)
    del model
    gc.collect()
