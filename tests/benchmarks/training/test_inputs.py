"""Every contender gets the same batch and the same first weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.training.inputs import MAPS, Inputs, first_weight, random_inputs
from benchmarks.training.settings import FINDING, OURS, StepSettings


def settings(width_px: int = 64, seed: int = 1) -> StepSettings:
    return StepSettings(
        contender=OURS,
        config="configs/small.yml",
        batch_size=3,
        width_px=width_px,
        classes=11,
        scale=0.125,
        hidden_size=8,
        mid_channels=8,
        pytorch_threads=1,
        steps=1,
        warmup=1,
        seed=seed,
    )


def test_settings_survive_a_command_line() -> None:
    assert StepSettings.from_json(settings().to_json()) == settings()


def test_the_hash_depends_on_the_values_and_not_on_how_they_are_kept() -> None:
    first, second = random_inputs(settings()), random_inputs(settings())
    assert first.sha256 == second.sha256
    assert random_inputs(settings(seed=2)).sha256 != first.sha256
    kept = Inputs({**first.arrays, "label": first.arrays["label"].astype(np.int32)})
    assert kept.sha256 == first.sha256
    first.arrays["label"][0, 0] += 1
    assert first.sha256 != second.sha256


@pytest.mark.parametrize("width_px", [16, 64, 320])
def test_ctc_can_spell_every_label_in_its_width(width_px: int) -> None:
    inputs = random_inputs(settings(width_px))
    for label, length in zip(inputs.arrays["label"], inputs.arrays["length"], strict=True):
        written = label[:length]
        assert 1 <= length <= 25
        assert ((written >= 1) & (written < 11)).all()
        assert (label[length:] == 0).all()
        assert length + int((written[1:] == written[:-1]).sum()) <= width_px // 4


def test_pages_have_lines_with_borders() -> None:
    pages = replace(settings(), task=FINDING, height_px=320, width_px=320)
    arrays = random_inputs(pages).arrays
    assert list(arrays) == ["image", *MAPS]
    assert {arrays[name].shape for name in MAPS} == {(3, 320, 320)}
    text, border = arrays["shrink_map"] > 0, arrays["threshold_mask"] > 0
    assert 0 < text.sum() < border.sum() < border.size / 2
    assert (border | ~text).all()
    assert not np.array_equal(text[0], text[1])


def test_first_weights_depend_on_name_shape_and_seed_alone() -> None:
    name, shape = "Student.backbone.conv1._conv.weight", (4, 3, 3, 3)
    weight = first_weight(name, shape, 1)
    assert weight.shape == shape
    assert np.array_equal(weight, first_weight(name, shape, 1))
    assert not np.array_equal(weight, first_weight(name, shape, 2))
    assert not np.array_equal(weight, first_weight(name.replace("1", "2"), shape, 1))


def test_normalisation_starts_as_it_comes() -> None:
    for name, value in (("weight", 1.0), ("bias", 0.0), ("_mean", 0.0), ("_variance", 1.0)):
        assert (first_weight(f"Student.x._batch_norm.{name}", (5,), 1) == value).all()
