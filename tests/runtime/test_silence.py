"""What is silenced says nothing, and speaks again afterwards."""

from __future__ import annotations

import os
from types import SimpleNamespace

import cv2
import pytest

from runtime.silence import STDERR, STDOUT, silence_opencv, silenced


@pytest.mark.parametrize(
    ("descriptors", "out", "err"),
    [((STDERR,), "during after", "after"), ((STDOUT, STDERR), "after", "after")],
)
def test_only_what_is_named_is_silenced(
    descriptors: tuple[int, ...], out: str, err: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ZeroDivisionError), silenced(*descriptors):
        os.write(STDOUT, b"during ")
        os.write(STDERR, b"during ")
        raise ZeroDivisionError
    os.write(STDOUT, b"after")
    os.write(STDERR, b"after")
    assert capfd.readouterr() == (out, err)


@pytest.mark.parametrize("version", ["before 4.13", "5"])
def test_opencv_is_silenced_whatever_its_version(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before 4.13 there is no `cv2.utils.logging`, since 5 no `cv2.setLogLevel`."""
    levels: list[int] = []
    if version == "5":
        log = SimpleNamespace(setLogLevel=levels.append, LOG_LEVEL_SILENT=0)
        monkeypatch.setattr(cv2.utils, "logging", log, raising=False)
        monkeypatch.delattr(cv2, "setLogLevel", raising=False)
    else:
        monkeypatch.delattr(cv2.utils, "logging", raising=False)
        monkeypatch.setattr(cv2, "setLogLevel", levels.append, raising=False)
    silence_opencv()
    assert levels == [0]
