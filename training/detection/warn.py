"""Warnings about PaddleOCR's accidents that are kept: each once in a process."""

from __future__ import annotations

import logging
from functools import cache

log = logging.getLogger(__name__)


@cache
def warn_once(message: str) -> None:
    """Log a warning, unless it was logged before."""
    log.warning("%s", message)
