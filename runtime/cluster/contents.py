"""Sends a file of several pages once, however many shards its pages are in."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from runtime.errors import ImageError
from runtime.images.pdf.source import PdfPage
from runtime.images.sources import Page


@dataclass(frozen=True, eq=False)
class Content:
    """A file that was put where every reader finds it, for as long as this object lives.

    Args:
        reference: for readers.
        num_bytes: of the file.
        data: keeps bytes that came without a file, by which they are told from others.
    """

    reference: Any
    num_bytes: int
    data: bytes | None


class Contents:
    """The files of the pages that are on their way.

    Args:
        put: takes the bytes of a file and returns a reference for readers.
        most_bytes: of a file at a path; a larger one is not sent.
    """

    def __init__(self, put: Callable[[bytes], Any], most_bytes: int) -> None:
        self._put, self._most_bytes = put, most_bytes
        self._held: WeakValueDictionary[str | int, Content] = WeakValueDictionary()
        self._lock = threading.Lock()

    def of(self, page: Page | PdfPage, with_file: bool) -> Content | None:
        """Return the file of a page.

        Args:
            page: of a file at a path, or of bytes.
            with_file: whether a file at a path is to be sent.

        Returns:
            None where nothing is to be sent, or the file cannot be read: its reader says why.

        Raises:
            ImageError: if the file is too large to be sent.
        """
        if page.data is None and not with_file:
            return None
        key = os.path.abspath(page.path) if page.data is None else id(page.data)
        with self._lock:
            content = self._held.get(key)
            if content is None:
                data = self._bytes_at(str(key)) if page.data is None else page.data
                if data is None:
                    return None
                content = Content(self._put(data), len(data), page.data)
                self._held[key] = content
            return content

    def _bytes_at(self, path: str) -> bytes | None:
        try:
            num_bytes = os.path.getsize(path) if os.path.isfile(path) else None
            if num_bytes is None or num_bytes <= self._most_bytes:
                return None if num_bytes is None else Path(path).read_bytes()
        except OSError:
            return None
        raise ImageError(
            f"too large to be sent: {num_bytes} bytes, expected at most {self._most_bytes}; give "
            "every machine the file and name --ray-files shared"
        )
