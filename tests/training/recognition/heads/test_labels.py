"""Labels of a batch, or an error that says where they come from."""

from __future__ import annotations

import paddle
import pytest

from runtime.errors import ConfigError
from training.recognition.heads.labels import label_of


def test_a_label_is_what_the_batch_holds() -> None:
    labels = paddle.ones([2, 3], "int64")
    assert label_of({"label_sar": labels}, "label_sar", "SARHead") is labels


@pytest.mark.parametrize(("batch", "held"), [(None, r"\[\]"), ({"length": 1}, r"\['length'\]")])
def test_a_missing_label_is_named_with_what_is_there(batch: object, held: str) -> None:
    with pytest.raises(ConfigError, match=f"SARHead learns.*label_sar.*got {held}; .*KeepKeys"):
        label_of(batch, "label_sar", "SARHead")
