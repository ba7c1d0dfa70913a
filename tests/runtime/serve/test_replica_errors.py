"""What a replica's end or failure is turned into, with Ray's own exceptions and no cluster."""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Awaitable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runtime.errors import EngineError, OcrError
from runtime.serve.batcher import ReplicaLost
from runtime.serve.replica import Replica
from runtime.serve.replicas import Replicas, open_model
from runtime.serve.settings import ReaderOptions
from tests.runtime.conftest import write_toy_model

ray = pytest.importorskip("ray", reason="pip install 'ray[serve]'")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray's own settings


class Handle:
    """Stands in for the handle of a deployment."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def remote(self, images: list[bytes]) -> Awaitable[Any]:
        async def call() -> Any:
            raise self._error

        return call()


def read(toy_file: Path, error: Exception) -> None:
    import ray.serve.exceptions

    cluster: Any = SimpleNamespace(ray=ray)
    replicas = Replicas(cluster, open_model(ReaderOptions(toy_file)))
    replicas._handle = Handle(error)
    asyncio.run(replicas.read([b"x"]))  # type: ignore[arg-type]


def of_a_task(cause: Exception) -> Exception:
    error: Exception = ray.exceptions.RayTaskError("read", "its traceback", cause)
    return error.as_instanceof_cause()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize(
    "name", ["ActorDiedError", "ActorUnavailableError", "WorkerCrashedError", "NodeDiedError"]
)
def test_a_dead_replica_is_lost(toy_file: Path, name: str) -> None:
    kind = getattr(ray.exceptions, name)
    arguments = {"ActorUnavailableError": ("gone", b"\0" * 16), "NodeDiedError": ("gone",)}
    error = kind(*arguments.get(name, ()))
    with pytest.raises(ReplicaLost, match=name):
        read(toy_file, error)


def test_an_engine_that_fails_says_so(toy_file: Path) -> None:
    with pytest.raises(EngineError, match=r"^no memory$"):
        read(toy_file, of_a_task(EngineError("no memory")))


def test_a_mistake_of_ours_stays_one(toy_file: Path) -> None:
    with pytest.raises(ValueError):
        read(toy_file, of_a_task(ValueError("x")))


def test_a_model_that_cannot_be_opened_is_said_before_anything_is_started(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    with pytest.raises(OcrError, match=r"broken\.onnx"):
        open_model(ReaderOptions(broken))


def test_a_reader_takes_bytes_alone(toy_file: Path) -> None:
    replica = Replica(ReaderOptions(toy_file))
    for other in ("/etc/passwd", Path("/etc/passwd"), bytearray(b"x")):
        with pytest.raises(TypeError, match="bytes of image files"):
            asyncio.run(replica([other]))  # type: ignore[list-item]


def test_a_network_that_emits_nothing_sensible_is_an_engine_error(tmp_path: Path) -> None:
    from tests.runtime.serve.conftest import png

    poisoned = write_toy_model(tmp_path / "toy.onnx", poisoned=True)
    with pytest.raises(OcrError):
        asyncio.run(Replica(ReaderOptions(poisoned))([png()]))


def test_calls_leave_no_memory_behind(toy_file: Path) -> None:
    """OpenCV keeps 0.9 KiB of every thread that ends: none may end with a call."""
    from tests.runtime.serve.conftest import png

    replica, image = Replica(ReaderOptions(toy_file), threads=1), png()

    async def calls(number: int) -> None:
        for _ in range(number):
            await replica([image])

    asyncio.run(calls(200))
    before = allocated_bytes()
    asyncio.run(calls(1000))
    assert allocated_bytes() - before < 400 * 1000


def allocated_bytes() -> int:
    """What glibc has handed out, Python's own small objects apart."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallinfo2"):
        pytest.skip("needs glibc 2.33")

    class Info(ctypes.Structure):
        _fields_ = [(f"field_{place}", ctypes.c_size_t) for place in range(10)]

    library.mallinfo2.restype = Info
    return int(library.mallinfo2().field_7)
