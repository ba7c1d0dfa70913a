"""Every detection loss on PaddleOCR's own maps gives PaddleOCR's numbers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import paddle
import pytest

from tests.beside import paddleocr_numbers
from training import build_loss
from training.losses import figures_of

# The maps of `families` hold every second pixel, so that losses alone want whole ones: those of
# the networks, see `test_families` beside this folder.
CASES = {"v6/det_v6_medium": 8, "v6/det_v6_small": 8, "v6/det_v6_tiny": 8}
"""How many parts each has."""


@pytest.mark.parametrize("case", CASES)
def test_parts_and_total(case: str) -> None:
    folder = paddleocr_numbers(case)
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    assert len(expected["losses"]) == CASES[case]
    outputs, batch = {}, {}
    with np.load(folder / "arrays.npz") as archive:
        for name in archive.files:
            kind, _, last = name.partition(".")
            if kind in ("train", "in"):
                (outputs if kind == "train" else batch)[last] = paddle.to_tensor(archive[name])
    section = {
        **{"name": "DBLoss", "main_loss_type": "DiceFocalLoss", "alpha": 5, "beta": 10},
        **{"focal_alpha": 0.25, "focal_gamma": 2.5},
        **{"aux_weight_p4": 0.2, "aux_weight_p3": 0.3, "aux_weight_p2": 0.4},
    }
    got: dict[str, Any] = figures_of(build_loss(section, "det")(outputs, batch))
    assert got == pytest.approx(expected["losses"], rel=1e-6)
