"""Names of a head's outputs, from its section alone."""

from __future__ import annotations

import pytest

from training.recognition.heads.outputs import head_outputs
from training.registry import Component


@pytest.mark.parametrize(
    ("decoders", "outputs"),
    [
        ([{"CTCHead": {}}, {"SARHead": {}}], ("ctc", "ctc_neck", "sar")),
        ([{"CTCHead": {}}, {"NRTRHead": {}}], ("ctc", "ctc_neck", "gtc")),
        ([{"CTCHead": {}}], ("ctc", "ctc_neck")),
    ],
)
def test_each_decoder_of_a_list_gives_its_own(
    decoders: list[dict[str, object]], outputs: tuple[str, ...]
) -> None:
    head = Component("MultiHead", {"head_list": decoders}, "", dict)
    assert head_outputs(head) == outputs


def test_one_decoder_alone_has_no_names() -> None:
    assert head_outputs(Component("CTCHead", {"fc_decay": 0.1}, "", dict)) == ()
