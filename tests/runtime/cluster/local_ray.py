"""A stand-in for Ray whose actors live in this process; what travels is pickled as on its way."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any


class RayError(Exception):
    """As `ray.exceptions.RayError`."""


class RayTaskError(RayError):
    """As Ray's: what an actor raised."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Stored:
    """A reference to what was put; it ends with the last of its references, as in Ray."""

    held: int = 0

    def __init__(self, value: Any) -> None:
        self.data = pickle.dumps(value)
        Stored.held += 1

    def __del__(self) -> None:
        Stored.held -= 1


class Call:
    """A call that is made when its result is asked for."""

    def __init__(self, actor: Actor, name: str, arguments: tuple[Any, ...]) -> None:
        self._actor, self._name = actor, name
        self._arguments = [
            argument if isinstance(argument, Stored) else Stored(argument) for argument in arguments
        ]

    def made(self) -> Any:
        if self._actor.calls_left == 0:
            raise RayError("The actor died.\n exit detail: killed")
        self._actor.calls_left -= 1
        arguments = [pickle.loads(argument.data) for argument in self._arguments]
        try:
            result = getattr(self._actor.itself, self._name)(*arguments)
        except Exception as error:
            raise RayTaskError(error) from error
        return pickle.loads(pickle.dumps(result))


class Actor:
    """An actor that dies after so many calls."""

    def __init__(self, kind: type, calls_left: int) -> None:
        self.itself, self.calls_left = kind(), calls_left

    def __getattr__(self, name: str) -> Any:
        def called(*arguments: Any) -> Call:
            return Call(self, name, arguments)

        return SimpleNamespace(remote=called)


class LocalRay:
    """What a `ClusterReader` uses of Ray; what is done first is a matter of luck.

    Args:
        lives: calls that each actor answers before it dies, those that are left out for ever.
    """

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)
    put = staticmethod(Stored)

    def __init__(self, *lives: int) -> None:
        self._lives, self._luck = list(lives), random.Random(3)
        self.actors: list[Actor] = []

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": {"CPU": 2.0}}]

    def remote(self, kind: type) -> Any:
        def started() -> Actor:
            self.actors.append(Actor(kind, self._lives.pop(0) if self._lives else -1))
            return self.actors[-1]

        made = SimpleNamespace(remote=started)
        return SimpleNamespace(options=lambda **_: made)

    def wait(self, calls: list[Call], timeout: float) -> tuple[list[Call], list[Call]]:
        chosen = self._luck.choice(calls)
        return [chosen], [call for call in calls if call is not chosen]

    def get(self, call: Call) -> Any:
        return call.made()

    def kill(self, actor: Actor) -> None:
        actor.calls_left = 0

    def connected(self) -> Callable[..., Any]:
        """Return what takes the place of `connected`."""

        @contextmanager
        def connection(*_: object) -> Iterator[LocalRay]:
            yield self

        return connection
