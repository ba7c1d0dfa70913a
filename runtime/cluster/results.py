"""What is asked of results that readers send."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Protocol, TypeVar

from runtime.images.read import ImageSource


class _Named(Protocol):
    """A dataclass that knows its source."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def source(self) -> str | None:
        """Path or name of the image."""


Result = TypeVar("Result", bound=_Named)
Failed = Callable[[ImageSource, str], Result]
"""Makes the result of an image that could not be read, from its source and the reason."""
