"""Finds PaddleOCR's own numbers of its later families, which are too large to be shipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "golden"


def references(*parts: str) -> Path:
    """Return a file or folder of them, to be named by DISTILREC_GOLDEN; else skip the test."""
    path = Path(os.environ.get("DISTILREC_GOLDEN", _BESIDE)).joinpath(*parts)
    if not path.exists():
        pytest.skip(f"no reference numbers at {path}; name their folder in DISTILREC_GOLDEN")
    return path
