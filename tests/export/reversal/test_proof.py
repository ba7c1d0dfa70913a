"""Where FP32 is too coarse, float64 decides; what is no rounding stays refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from export.reversal import proof
from export.reversal.contract import Difference
from runtime.errors import ParityError


class _Maps:
    """Contract and samples of maps that are compared as they are."""

    def expected(self, emitted: NDArray[Any]) -> NDArray[Any]:
        return emitted

    def difference(self, expected: NDArray[Any], got: NDArray[Any]) -> Difference:
        return Difference(float(np.abs(expected - got).max()), got.size)

    def samples(self, images: list[NDArray[Any]], text: str) -> Any:
        batches = [SimpleNamespace(inputs=image) for image in images]
        return SimpleNamespace(batches=lambda: batches)


def _prove(monkeypatch: pytest.MonkeyPatch, single: float, double: float) -> dict[str, Any]:
    """Prove a network that is `single` off in FP32 and `double` in float64."""
    monkeypatch.setattr(proof, "deployed_outputs", lambda network: lambda x: x + single)
    maps = cast(Any, _Maps())
    images = [np.zeros((1, 1, 4, 4), np.float32)]
    return proof.prove_evaluation(
        *(lambda x: x, cast(Any, None), maps, maps, images),
        lambda: (lambda x: x, lambda x: x + double),
    )


def test_float64_decides_where_fp32_is_too_coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = _prove(monkeypatch, 1e-3, 1e-5)
    assert figures["largest"] == pytest.approx(1e-5)
    assert figures["largest_in_single"] == pytest.approx(1e-3)


def test_fp32_that_is_near_enough_is_the_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = _prove(monkeypatch, 1e-4, 1.0)
    assert figures["largest"] == pytest.approx(1e-4)
    assert figures["largest_in_single"] == 0.0


@pytest.mark.parametrize(
    ("single", "double"),
    [(1e-3, 3e-4), (6e-3, 0.0), (np.nan, 0.0), (1e-3, np.nan)],
    ids=["another-network", "no-rounding", "nan", "nan-in-float64"],
)
def test_what_rounding_does_not_explain_is_refused(
    monkeypatch: pytest.MonkeyPatch, single: float, double: float
) -> None:
    with pytest.raises(ParityError, match="in evaluation"):
        _prove(monkeypatch, single, double)


@pytest.mark.parametrize(
    ("size", "cut"),
    [((4000, 2016), (1536, 1536)), ((480, 8000), (480, 1536)), ((48, 3200), (48, 3200))],
    ids=["page", "strip", "line"],
)
def test_large_images_are_cut_to_their_middle(size: tuple[int, int], cut: tuple[int, int]) -> None:
    image = np.zeros((1, 1, *size), np.float32)
    image[:, :, size[0] // 2, size[1] // 2] = 1
    middle = proof.middle_of(image)
    assert middle.shape[2:] == cut
    assert middle[0, 0, cut[0] // 2, cut[1] // 2] == 1
