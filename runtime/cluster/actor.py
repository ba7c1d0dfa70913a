"""Runs on the machines of a cluster: a process with a reader of its own, whatever it makes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from runtime.cluster.addresses import fetched
from runtime.cluster.opening import Opening, SentOpening
from runtime.cluster.shards import is_address
from runtime.images.pdf.source import PdfPage
from runtime.images.read import ImageSource
from runtime.images.sources import Page

_FETCHES_AT_ONCE = 16


class ReaderActor:
    """A reader in a process of its own, which Ray started."""

    def open(self, opening: Opening | SentOpening, threads: int, max_pixels: int) -> str:
        """Open what reads, and return its description.

        Args:
            opening: says what it is.
            threads: of the CPU.
            max_pixels: of an image that is fetched.

        Raises:
            OcrError: as what is opened.
        """
        self._reader, self._max_pixels = opening.open(threads=threads), max_pixels
        self._fetchers = ThreadPoolExecutor(_FETCHES_AT_ONCE, "fetch")
        return self._reader.description

    def read(
        self, sources: Sequence[ImageSource], places: Sequence[int | None] = (), *contents: bytes
    ) -> list[Any]:
        """Read a shard; images at addresses are fetched first.

        Args:
            sources: of images.
            places: in `contents` of the file that each source is a page of; empty, or None for a
                source, where none was sent.
            contents: files.
        """
        if places:
            sources = [
                replace(source, data=contents[place])
                if place is not None and isinstance(source, Page | PdfPage)
                else source
                for source, place in zip(sources, places, strict=True)
            ]
        if any(map(is_address, sources)):
            sources = list(self._fetchers.map(self._fetch, sources))
        return list(self._reader.stream(sources))

    def _fetch(self, source: ImageSource) -> ImageSource:
        """Fetch a source that is an address; return any other unchanged."""
        return fetched(str(source), self._max_pixels) if is_address(source) else source
