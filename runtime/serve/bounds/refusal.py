"""The answer to a request that cannot be served: a status and a reason."""

from __future__ import annotations

from runtime.errors import OcrError


class Refusal(OcrError):
    """A request that is not served.

    Args:
        status: the HTTP status.
        reason: what happened, what was expected, what was got, and the remedy.
        retry_after_s: seconds after which to try again, None if that would not help.
    """

    def __init__(self, status: int, reason: str, retry_after_s: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.retry_after_s = retry_after_s
