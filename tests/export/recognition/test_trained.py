"""What export asks of a trained recogniser suits the widths that its network reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.recognition.trained import TrainedRecognizer
from runtime.errors import ArtifactError, ConfigError
from tests.training.recognition.plans import config_of
from training.plan import read_deployed_plan

TINY = {"Backbone": {"name": "PPLCNetV4", "model_size": "tiny"}}


@pytest.mark.parametrize(
    ("loader", "widths"),
    [
        ({}, [64, 160, 320]),
        ({"width_step": 0, "max_width": 320}, [320, 320, 320]),  # as SVTRNet wants it
        ({"max_width": 128}, [64, 128, 128]),
    ],
)
def test_probes_are_as_wide_as_lines_can_be(loader: dict[str, Any], widths: list[int]) -> None:
    recognizer = TrainedRecognizer(read_deployed_plan(config_of({"": TINY}, **loader)))
    shapes = recognizer.probe_shapes
    assert [shape[3] for shape in shapes] == widths
    assert all(shape[1:3] == (3, 48) for shape in shapes) and len({s[0] for s in shapes}) == 3


SVTR = {"Backbone": {"name": "SVTRNet", "img_size": [48, 320], "last_stage": True}}


def test_a_network_of_one_width_is_exported_with_that_width_alone() -> None:
    """As PaddleOCR's own configs have it, which leave the widths of reading open."""
    recognizer = TrainedRecognizer(read_deployed_plan(config_of({"": SVTR})))
    assert [shape[3] for shape in recognizer.probe_shapes] == [320, 320, 320]
    width = recognizer.spec("Student", 320).width
    assert (width.min_px, width.max_px) == (320, 320)
    for width_px, got in ((None, "32 to 3200"), (256, "256 to 256")):
        with pytest.raises(ConfigError, match=rf"48 x 320 px alone.*{got} px; give --width 320"):
            recognizer.spec("Student", width_px)


def test_only_the_network_that_reads_one_width_wants_it() -> None:
    config = config_of({"Student": TINY, "Teacher": SVTR})
    recognizer = TrainedRecognizer(read_deployed_plan(config))
    assert {shape[3] for shape in recognizer.probe_shapes} == {320}
    assert recognizer.spec("Student").width.max_px == 3200
    with pytest.raises(ConfigError, match="Teacher embeds positions"):
        recognizer.spec("Teacher")


def test_each_network_has_the_characters_of_its_own_dictionary(tmp_path: Path) -> None:
    own = tmp_path / "own.txt"
    own.write_text("b\na\n", encoding="utf-8")
    teacher = {**TINY, "freeze_params": True, "character_dict_path": str(own)}
    recognizer = TrainedRecognizer(
        read_deployed_plan(config_of({"Student": TINY, "Teacher": teacher}))
    )
    student = recognizer.spec("Student").characters
    assert len(student) == 36 and student != recognizer.spec("Teacher").characters == ("b", "a")
    bias = {"head.ctc_head.fc.bias": np.zeros(37, np.float32)}
    recognizer.check_parameters("Student", bias, "a checkpoint")
    with pytest.raises(ArtifactError, match="37"):
        recognizer.check_parameters("Teacher", bias, "a checkpoint")


def test_the_exported_model_says_how_its_lines_were_resized() -> None:
    for interpolation in ("bilinear", "area"):
        config = config_of({"": TINY})
        resize = config.sections["Eval"]["dataset"]["transforms"][2]["RecResizeImg"]
        resize["interpolation"] = interpolation
        recognizer = TrainedRecognizer(read_deployed_plan(config))
        assert recognizer.spec("").resize == interpolation
