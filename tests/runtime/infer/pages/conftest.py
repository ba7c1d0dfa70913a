"""The page reader of these tests."""

from __future__ import annotations

from tests.runtime.infer.pages.reading import _bar_reader

__all__ = ["_bar_reader"]
