"""Whatever happens to one line stands in its result, and the others go on."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from runtime.errors import ImageError
from runtime.images.loading import LoadedImage
from runtime.recognition import lines
from runtime.recognition.lines import failed, line_of
from runtime.recognition.result import Recognition
from runtime.recognition.spec import RecognizerSpec

GREY = np.full((20, 60, 3), 128, dtype=np.uint8)
FAILURES = [MemoryError(), cv2.error("bad\nargument"), ValueError("x" * 100_000)]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda one: type(one).__name__)
def test_failure_of_a_line_is_its_result(
    failure: Exception, monkeypatch: pytest.MonkeyPatch, spec: RecognizerSpec
) -> None:
    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(lines, "prepare_line", fail)
    with pytest.raises(ImageError) as error:
        line_of(LoadedImage(GREY, "a.png"), spec)
    result = failed("a.png", error.value)
    assert isinstance(result, Recognition) and result.source == "a.png"
    assert result.error and "\n" not in result.error and len(result.error) < 100_000
    if isinstance(failure, MemoryError):
        assert result.error.startswith("no memory is left")


def test_warnings_of_the_image_stay_with_its_line(spec: RecognizerSpec) -> None:
    assert "1 of 3 pages" in line_of(LoadedImage(GREY, None, ("1 of 3 pages",)), spec).warnings
