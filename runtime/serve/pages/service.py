"""Answers requests for pages: opens their files, reads page by page, keeps the limits of pages."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from runtime.errors import OcrError
from runtime.serve.batcher import Batcher
from runtime.serve.bounds.body import Body, NamedBytes
from runtime.serve.bounds.gate import Pass
from runtime.serve.bounds.refusal import Refusal
from runtime.serve.intake import Intake
from runtime.serve.metrics import Metrics
from runtime.serve.pages.documents import Document, PageAsk, open_documents
from runtime.serve.pages.wish import PageWish
from runtime.serve.settings import PAGES_PER_REPLICA, Limits

if TYPE_CHECKING:
    from starlette.requests import Request

    from runtime.serve.pages.replica import PageReply

Done = TypeVar("Done")

_OPENING_THREADS = 2
_CLOSED_REQUEST = 400

_log = logging.getLogger(__name__)


class PageBackend(Protocol):
    """Reads pages: replicas on a cluster, or a reader in this process."""

    @property
    def page_description(self) -> str:
        """What finds the lines: engine, version and device."""

    @property
    def num_replicas(self) -> int:
        """Number of replicas that the backend was started with."""

    async def read_page(self, ask: PageAsk) -> PageReply:
        """Read a page.

        Raises:
            ReplicaLost: if the replica died; the page may be read again.
            EngineError: if the engine fails.
        """


class ReadDocument(NamedTuple):
    """A file of a request, read.

    Args:
        document: the file.
        replies: of its pages that were wanted.
    """

    document: Document
    replies: Sequence[PageReply]


Files = Callable[[Body], tuple[list[NamedBytes], PageWish]]


class PageService:
    """Reads the pages of requests; used by a single event loop.

    A page is one unit of work. So many are under way as keep the replicas busy, and no more of a
    single request: pages of another one come in between.

    Args:
        backend: reads the pages.
        intake: with the limits of pages.
        metrics: counts pages.
    """

    def __init__(self, backend: PageBackend, intake: Intake, metrics: Metrics) -> None:
        self.backend, self._intake, self._metrics = backend, intake, metrics
        self._pages_at_once = PAGES_PER_REPLICA * backend.num_replicas
        self._batcher: Batcher[PageAsk, PageReply] = Batcher(
            self._call,
            max_batch=1,
            max_wait_s=0.0,
            calls_at_once=self._pages_at_once,
            on_lost=metrics.count_lost_page,
        )
        self._opening = ThreadPoolExecutor(_OPENING_THREADS, "open")

    @property
    def limits(self) -> Limits:
        """Bounds of each request and of all together."""
        return self._intake.limits

    async def answer(
        self, request: Request, files_of: Files
    ) -> tuple[list[ReadDocument], PageWish]:
        """Read the pages of a request.

        Args:
            request: its body has not been read yet.
            files_of: finds the files in the body, and what is wanted of them; called in a thread.

        Returns:
            its files, and what was wanted.

        Raises:
            Refusal: if the request cannot be served, or not in time.
            EngineError: if the engine fails.
        """

        async def read(
            parsed: tuple[list[NamedBytes], PageWish], held: Pass
        ) -> tuple[list[ReadDocument], PageWish]:
            files, wish = parsed
            num_bytes = sum(len(data) for _, data in files)
            held.hold(len(files), num_bytes)
            documents = await asyncio.get_running_loop().run_in_executor(
                self._opening, open_documents, files, wish, self.limits
            )
            held.hold(sum(document.num_answers for document in documents), num_bytes)
            return await _unless_gone(request, self._read(documents)), wish

        documents, wish = await self._intake.answer(request, files_of, read)
        errors = [error for read_document in documents for error in errors_of(read_document)]
        num_failed = sum(error is not None for error in errors)
        self._metrics.count_pages(len(errors) - num_failed, num_failed)
        return documents, wish

    async def in_thread(self, work: Callable[[], Done]) -> Done:
        """Run `work` on an answer in a thread, beside the event loop."""
        return await self._intake.in_thread(work, self.limits.body_bytes)

    def close(self) -> None:
        """End the threads; no request may follow."""
        self._intake.close()
        self._opening.shutdown(wait=False, cancel_futures=True)

    async def _read(self, documents: Sequence[Document]) -> list[ReadDocument]:
        """Read the pages of files, so many at once as keep the replicas busy."""
        places = asyncio.Semaphore(self._pages_at_once)

        async def read_page(ask: PageAsk) -> PageReply:
            async with places:
                (reply,) = await self._batcher.read([ask])
                return reply

        try:
            async with asyncio.TaskGroup() as tasks:
                reading = [
                    [tasks.create_task(read_page(ask)) for ask in document.asks]
                    for document in documents
                ]
        except ExceptionGroup as group:
            error = group.exceptions[0]
            if isinstance(error, OcrError):
                raise error from None
            _log.error("a replica failed", exc_info=error)
            raise OcrError("a replica failed; the service's log says how") from error
        return [
            ReadDocument(document, [page.result() for page in pages])
            for document, pages in zip(documents, reading, strict=True)
        ]

    async def _call(self, asks: Sequence[PageAsk]) -> Sequence[PageReply]:
        """Have a page read in a replica."""
        begin = time.perf_counter()
        (ask,) = asks
        reply = await self.backend.read_page(ask)
        self._metrics.count_page_call(time.perf_counter() - begin)
        return [reply]


def errors_of(read: ReadDocument) -> list[str | None]:
    """Return the error of each page of a file, None where there is none; that of the file alone."""
    if not read.replies:
        return [read.document.error]
    return [reply.error for reply in read.replies]


async def _unless_gone(
    request: Request, work: Coroutine[Any, Any, list[ReadDocument]]
) -> list[ReadDocument]:
    """Wait for `work`; give it up when the client has gone away, as nobody would get the answer."""
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Refusal(_CLOSED_REQUEST, "the client went away")
        return await working
    finally:
        for task in (working, watching):
            task.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def _gone(request: Request) -> None:
    """Return when the client has gone away; the body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
