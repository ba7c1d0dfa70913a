"""A head moved from one dictionary to another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.distillation.start import move_head, write_start
from runtime.errors import CheckpointError
from runtime.recognition.charset import Charset
from training.checkpoint.parameters import Parameters, read_parameters, write_parameters

SOURCE, TARGET = Charset(("a", "b", " ")), Charset(("b", "c", "a", "d", " "))


@pytest.fixture
def parameters() -> Parameters:
    rng = np.random.default_rng(0)
    return {
        "backbone.w": rng.normal(size=(2, 2)).astype(np.float16),
        "head.fc2.weight": rng.normal(size=(3, 4)).astype(np.float16),
        "head.fc2.bias": rng.normal(size=4).astype(np.float16),
    }


def logits(parameters: Parameters, features: np.ndarray) -> np.ndarray:
    return features @ parameters["head.fc2.weight"] + parameters["head.fc2.bias"]


def test_each_character_keeps_its_logit(parameters: Parameters) -> None:
    moved = move_head(parameters, SOURCE, TARGET)
    features = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
    before, after = logits(parameters, features), logits(moved, features)
    assert after.shape == (5, TARGET.num_classes)
    # Classes: blank a b space, and blank b c a d space.
    np.testing.assert_allclose(after[:, [0, 3, 1, 5]], before, rtol=1e-5, atol=1e-6)


def test_a_new_character_is_as_unlikely_as_any(parameters: Parameters) -> None:
    moved = move_head(parameters, SOURCE, TARGET)
    assert not moved["head.fc2.weight"][:, [2, 4]].any()
    assert (moved["head.fc2.bias"][[2, 4]] == moved["head.fc2.bias"].min()).all()
    assert {array.dtype for array in moved.values()} == {np.dtype(np.float32)}


def test_a_head_of_another_dictionary_is_refused(parameters: Parameters) -> None:
    with pytest.raises(CheckpointError, match="of 6 classes"):
        move_head(parameters, TARGET, SOURCE)
    with pytest.raises(CheckpointError, match="got none"):
        move_head({"backbone.w": parameters["backbone.w"]}, SOURCE, TARGET)


def test_the_named_network_is_taken_once(parameters: Parameters, tmp_path: Path) -> None:
    joint = {
        f"{network}.{name}": array * factor
        for network, factor in (("Student", 1), ("Teacher", 2))
        for name, array in parameters.items()
    }
    write_parameters(tmp_path / "joint.pdparams", joint)
    output = tmp_path / "start" / "twin.pdparams"
    write_start(tmp_path / "joint.pdparams", "Teacher", SOURCE, TARGET, output)
    np.testing.assert_array_equal(
        read_parameters(output)["backbone.w"], (2 * parameters["backbone.w"]).astype(np.float32)
    )
    (tmp_path / "joint.pdparams").unlink()
    assert write_start(tmp_path / "joint.pdparams", "Teacher", SOURCE, TARGET, output) == output
