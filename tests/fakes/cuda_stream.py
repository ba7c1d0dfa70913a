"""What the fake CUDA's streams do, and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

MS_PER_CALL = 0.004
"""What a call takes on the fake's clock."""


@dataclass
class Operation:
    """Something that a stream does later.

    Args:
        run: does it.
        reads, writes: first addresses of the allocations it touches.
        duration_ms: on the fake's own clock.
        start: called when it enters a queue, also at each replay.
    """

    run: Callable[[], None]
    reads: frozenset[int] = frozenset()
    writes: frozenset[int] = frozenset()
    duration_ms: float = MS_PER_CALL
    start: Callable[[], None] = lambda: None


@dataclass
class Stream:
    queue: list[Operation] = field(default_factory=list)
    captured: list[Operation] | None = None
    capturing_thread: int = 0
    refusal: str = ""
