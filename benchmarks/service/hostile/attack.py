"""What an attacker does with one connection, over and over, and how often.

Every kind is bounded: in connections at once, in how many it begins a second, in bytes.
"""

from __future__ import annotations

import asyncio
import itertools
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_CONNECTED_WITHIN_S = 5.0
_ANSWERED_WITHIN_S = 60.0
_DRIP_S = 1.0
_UNREAD_S = 20.0


@dataclass(frozen=True)
class Target:
    """What is attacked, and from where.

    Args:
        host, port: of the service.
        model: its name in the paths of the Open Inference Protocol.
        image: bytes of an image that it can read.
        sources: addresses of this machine that the attack comes from, in turn.
    """

    host: str
    port: int
    model: str
    image: bytes
    sources: tuple[str, ...]


class Attack(ABC):
    """Something done to a service through connections that are used up one after another.

    Args:
        connections: at once.
        per_second: connections begun in all at most.
    """

    def __init__(self, connections: int, per_second: float) -> None:
        self.connections, self.per_second = connections, per_second

    @abstractmethod
    async def send(self, writer: asyncio.StreamWriter) -> None:
        """Send what this attack sends through one connection."""

    async def carry_out(self, target: Target, outcomes: Counter[str]) -> None:
        """Go on until cancelled.

        Args:
            target: what is attacked.
            outcomes: counts what came of the connections: the status of an answer, `closed`,
                `no answer`, `not connected`, `left`; `under way` are those of which nothing has
                come yet.
        """
        turns = _Turns(self.per_second)
        async with asyncio.TaskGroup() as clients:
            for _, source in zip(range(self.connections), itertools.cycle(target.sources)):
                clients.create_task(self._client(target, source, turns, outcomes))

    async def _client(
        self, target: Target, source: str, turns: _Turns, outcomes: Counter[str]
    ) -> None:
        while True:
            await turns.next()
            outcomes["under way"] += 1
            outcomes[await self._attempt(target, source)] += 1
            outcomes["under way"] -= 1

    async def _attempt(self, target: Target, source: str) -> str:
        try:
            async with asyncio.timeout(_CONNECTED_WITHIN_S):
                reader, writer = await asyncio.open_connection(
                    target.host, target.port, local_addr=(source, 0)
                )
        except OSError:  # a timeout is one
            return "not connected"
        sending = asyncio.create_task(self.send(writer))
        answer = asyncio.create_task(_status(reader))
        try:
            return await self._outcome(sending, answer)
        finally:
            sending.cancel()
            answer.cancel()
            writer.transport.abort()

    async def _outcome(self, sending: asyncio.Task[None], answer: asyncio.Task[str]) -> str:
        """Wait for the answer, whether or not all was sent by then."""
        await asyncio.wait([answer], timeout=_ANSWERED_WITHIN_S)
        return answer.result() if answer.done() else "no answer"


class Post(Attack):
    """Sends whole requests, one a connection, and waits for each answer.

    Args:
        requests: sent in turn.
        connections, per_second: as `Attack`.
    """

    def __init__(self, requests: Sequence[bytes], connections: int, per_second: float) -> None:
        super().__init__(connections, per_second)
        self.requests = requests
        self._turn = itertools.cycle(requests)

    async def send(self, writer: asyncio.StreamWriter) -> None:
        """Send the next request."""
        await _send(writer, next(self._turn))


class PostAndLeave(Post):
    """The same, but hangs up as soon as a request is sent."""

    async def _outcome(self, sending: asyncio.Task[None], answer: asyncio.Task[str]) -> str:
        await asyncio.wait([sending], timeout=_ANSWERED_WITHIN_S)
        return "left" if sending.done() else "no answer"


class PostUnread(Post):
    """The same, but reads no more than the first line of what comes, and holds the connection."""

    async def _outcome(self, sending: asyncio.Task[None], answer: asyncio.Task[str]) -> str:
        await asyncio.sleep(_UNREAD_S)
        return answer.result() if answer.done() else "no answer"


class Endless(Attack):
    """Sends the beginning of a request and then more of it, for as long as it is taken.

    Args:
        head, chunk: the beginning, and what is repeated.
        tail: makes a whole request of it once `most_bytes` were taken.
        most_bytes: through one connection.
        bytes_per_s: the same.
        connections, per_second: as `Attack`.
    """

    def __init__(
        self,
        head: bytes,
        chunk: bytes,
        tail: bytes,
        most_bytes: int,
        bytes_per_s: float,
        connections: int,
        per_second: float,
    ) -> None:
        super().__init__(connections, per_second)
        self.head, self.chunk, self.tail = head, chunk, tail
        self.most_bytes, self._pause_s = most_bytes, len(chunk) / bytes_per_s

    async def send(self, writer: asyncio.StreamWriter) -> None:
        """Send on until it is cut off or long enough."""
        await _send(writer, self.head)
        num_bytes = 0
        while num_bytes < self.most_bytes and not writer.is_closing():
            await _send(writer, self.chunk)
            num_bytes += len(self.chunk)
            await asyncio.sleep(self._pause_s)
        await _send(writer, self.tail)


class Hold(Attack):
    """Keeps connections open with requests that are never whole.

    Args:
        head: sent at once; may be empty.
        drip: sent every second after it; may be empty.
        connections, per_second: as `Attack`.
    """

    def __init__(self, head: bytes, drip: bytes, connections: int, per_second: float) -> None:
        super().__init__(connections, per_second)
        self.head, self.drip = head, drip

    async def send(self, writer: asyncio.StreamWriter) -> None:
        """Send the beginning, and drip after it."""
        await _send(writer, self.head)
        while self.drip and not writer.is_closing():
            await asyncio.sleep(_DRIP_S)
            await _send(writer, self.drip)

    async def _outcome(self, sending: asyncio.Task[None], answer: asyncio.Task[str]) -> str:
        return await answer  # however long that takes


class _Turns:
    """Shares out a number of beginnings a second among clients."""

    def __init__(self, per_second: float) -> None:
        self._pause_s = 1 / per_second
        self._due = 0.0

    async def next(self) -> None:
        """Wait for the next one."""
        now = asyncio.get_running_loop().time()
        turn = max(self._due, now)
        self._due = turn + self._pause_s
        await asyncio.sleep(turn - now)


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Send it all; that the service has hung up shows where its answer is read."""
    try:
        writer.write(data)
        await writer.drain()
    except OSError:
        return


async def _status(reader: asyncio.StreamReader) -> str:
    """Return the status of an answer, `closed` where none comes."""
    try:
        words = (await reader.readline()).split()
    except (OSError, ValueError):
        return "closed"
    return words[1].decode("ascii", "replace") if len(words) > 1 else "closed"
