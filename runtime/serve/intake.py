"""Takes requests in: admits them, receives and parses their bodies, keeps their time limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from runtime.serve.bounds.body import Body, check_headers, collect
from runtime.serve.bounds.gate import Gate, Pass
from runtime.serve.bounds.refusal import Refusal
from runtime.serve.settings import Limits

if TYPE_CHECKING:
    from starlette.requests import Request

Done = TypeVar("Done")
Parsed = TypeVar("Parsed")

_PARSING_THREADS = 2
_LARGE_BYTES = 256 * 2**10
"""Bodies of this length and more are parsed in a thread of their own: short ones never wait."""


class Intake:
    """The way of requests of one kind to what reads them; used by a single event loop.

    Args:
        limits: bounds of each request and of all together.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits, self.gate = limits, Gate(limits)
        self._parsing = ThreadPoolExecutor(_PARSING_THREADS, "parse")
        self._parsing_large = ThreadPoolExecutor(1, "parse-large")

    async def answer(
        self,
        request: Request,
        parse: Callable[[Body], Parsed],
        read: Callable[[Parsed, Pass], Awaitable[Done]],
    ) -> Done:
        """Answer a request.

        Args:
            request: its body has not been read yet.
            parse: finds in the body what is to be read; called in a thread.
            read: reads it, and holds its place meanwhile.

        Raises:
            Refusal: if the request cannot be served, or not in time; and what `parse` and `read`
                raise.
        """
        check_headers(request, self.limits)
        deadline = asyncio.get_running_loop().time() + self.limits.seconds
        with self.gate.enter() as held:
            body = await self._collect(request, held, deadline)
            late = self._late()
            parsed = await within(deadline, self._parse(body, parse), late)
            del body  # what was parsed are copies of its parts
            return await within(deadline, read(parsed, held), late)

    async def in_thread(self, work: Callable[[], Done], num_bytes: int = 0) -> Done:
        """Run `work` on a request of `num_bytes` bytes in a thread, beside the event loop."""
        threads = self._parsing_large if num_bytes >= _LARGE_BYTES else self._parsing
        return await asyncio.get_running_loop().run_in_executor(threads, work)

    def close(self) -> None:
        """End the threads; no request may follow."""
        for threads in (self._parsing, self._parsing_large):
            threads.shutdown(wait=False, cancel_futures=True)

    async def _parse(self, body: Body, parse: Callable[[Body], Parsed]) -> Parsed:
        """Find in a body what is to be read, in a thread."""
        num_bytes = self.limits.body_bytes if body.is_packed else len(body.data)
        return await self.in_thread(lambda: parse(body), num_bytes)

    def _late(self) -> Refusal:
        """Return the refusal of a request whose time is over."""
        reason = (
            f"not read within {self.limits.seconds:g} s: there is much to do, or a replica that "
            f"died is not back yet; try again later, or send fewer {self.limits.unit}s at a time"
        )
        return Refusal(504, reason, self.gate.retry_after_s())

    async def _collect(self, request: Request, held: Pass, deadline: float) -> Body:
        """Read the body as it arrives, until the deadline or until another request needs room."""
        try:
            async with asyncio.timeout_at(deadline) as timeout:
                held.on_pushed_out = lambda: timeout.reschedule(0)
                body = await collect(request, self.limits, held.hold_body)
            held.complete()
            return body
        except TimeoutError as error:
            late = Refusal(408, "the body did not come in time; send less at a time")
            raise held.refusal() or late from error


async def within(deadline: float, work: Awaitable[Done], otherwise: Refusal) -> Done:
    """Wait for `work` until the deadline on the loop's clock, then raise `otherwise`."""
    try:
        async with asyncio.timeout_at(deadline):
            return await work
    except TimeoutError as error:
        raise otherwise from error
