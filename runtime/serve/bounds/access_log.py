"""A line of JSON for every request, written by a thread so that no slow disk holds requests up."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from queue import Empty, Full, Queue
from types import TracebackType
from typing import Any, TextIO

from runtime.errors import OcrError

_MOST_WAITING = 10_000
_LONGEST_PATH = 1000
_SECONDS_TO_END = 5.0


class AccessLog:
    """Takes what was answered and writes it, from entering the block to leaving it.

    Lines that find no room because the disk is slow are left out and counted.

    Args:
        file: lines are added to it; `-` for standard output.

    Raises:
        OcrError: if the file cannot be written to.
    """

    def __init__(self, file: str) -> None:
        self._waiting: Queue[Mapping[str, Any] | None] = Queue(_MOST_WAITING)
        self._left_out = 0
        try:
            self._stream: TextIO = sys.stdout if file == "-" else _opened(file)
        except OSError as error:
            raise OcrError(
                f"cannot write the access log {file}: {error.strerror}; name a file that may be "
                "written to, or - for standard output"
            ) from error
        self._thread = threading.Thread(target=self._write, name="access-log", daemon=True)

    def __enter__(self) -> AccessLog:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._waiting.put(None, timeout=_SECONDS_TO_END)
        except Full:
            return
        self._thread.join(_SECONDS_TO_END)
        if self._stream is not sys.stdout:
            self._stream.close()

    def add(self, scope: Mapping[str, Any], status: int, seconds: float) -> None:
        """Take a request that was answered; never waits.

        Args:
            scope: of the request. Its query and headers are not written.
            status: of the answer.
            seconds: from its header to its answer.
        """
        client = scope.get("client")
        row = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "client": client[0] if client else None,
            "method": scope.get("method"),
            "path": str(scope.get("path", ""))[:_LONGEST_PATH],
            "status": status,
            "seconds": round(seconds, 4),
        }
        try:
            self._waiting.put_nowait(row)
        except Full:
            self._left_out += 1

    def _write(self) -> None:
        """Write until the block is left; a disk that refuses costs lines, not answers."""
        while (row := self._waiting.get()) is not None:
            lines = [json.dumps(row)]
            try:
                while len(lines) < _MOST_WAITING and (more := self._waiting.get_nowait()):
                    lines.append(json.dumps(more))
                self._print(lines)
                return
            except Empty:
                self._print(lines)

    def _print(self, lines: list[str]) -> None:
        left_out, self._left_out = self._left_out, 0
        if left_out:
            lines.append(json.dumps({"left_out": left_out}))
        try:
            self._stream.write("\n".join(lines) + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            self._left_out += left_out + len(lines)


def _opened(file: str) -> TextIO:
    """Open a file to add to; it stays open for as long as the service runs."""
    return open(file, "a", encoding="utf-8")
