"""What is silenced says nothing, and speaks again afterwards."""

from __future__ import annotations

import os

import pytest

from runtime.silence import STDERR, STDOUT, silenced


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
