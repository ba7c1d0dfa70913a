"""What reads pages in a replica, and what goes to it and comes back, with no cluster."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runtime.errors import ArtifactError, EngineError
from runtime.images.sources import NamedImage, Page
from runtime.serve.batcher import ReplicaLost
from runtime.serve.pages.documents import PageAsk, open_documents
from runtime.serve.pages.wish import PageWish
from runtime.serve.replica import Replica
from runtime.serve.replicas import Replicas, open_model
from runtime.serve.settings import Limits, ReaderOptions
from tests.runtime.serve.pages.conftest import bar_page, tiff_of

ray = pytest.importorskip("ray", reason="pip install 'ray[serve]'")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray's own settings


def asks_of(data: bytes) -> tuple[PageAsk, ...]:
    (document,) = open_documents([("/etc/a", data)], PageWish(), Limits().for_pages())
    return document.asks


def replicas_that(call: Callable[[PageAsk], Any], options: ReaderOptions) -> Replicas:
    """Replicas whose handle calls a function with what Ray would bring to a replica."""
    import ray.serve.exceptions
    from ray import cloudpickle

    async def answer(ask: PageAsk) -> Any:
        reply = call(cloudpickle.loads(cloudpickle.dumps(ask)))
        return cloudpickle.loads(cloudpickle.dumps(await reply))

    cluster: Any = SimpleNamespace(ray=ray)
    replicas = Replicas(cluster, open_model(options))
    replicas._handle = SimpleNamespace(read_page=SimpleNamespace(remote=answer))
    return replicas


def test_pages_go_to_a_replica_and_come_back(toy_file: Path, toy_detector_file: Path) -> None:
    options = ReaderOptions(toy_file, detector=toy_detector_file)
    replicas = replicas_that(Replica(options, threads=1).read_page, options)
    assert "onnxruntime" in replicas.page_description
    _, second = asks_of(tiff_of(1, 3))
    reply = asyncio.run(replicas.read_page(second))
    record = json.loads(reply.content)
    assert (record["page"], len(record["lines"]), record["text"]) == (2, 3, reply.text)
    assert "file" not in record and reply.error is None
    (bad,) = asks_of(b"no image")
    assert "not an image" in str(asyncio.run(replicas.read_page(bad)).error)


def test_the_end_of_a_replica_is_told_from_its_failure(
    toy_file: Path, toy_detector_file: Path
) -> None:
    options = ReaderOptions(toy_file, detector=toy_detector_file)

    def failing(error: Exception) -> Replicas:
        async def call(ask: PageAsk) -> None:
            raise error

        return replicas_that(call, options)

    (ask,) = asks_of(bar_page())
    with pytest.raises(ReplicaLost):
        asyncio.run(failing(ray.exceptions.ActorDiedError()).read_page(ask))
    wrapped = ray.exceptions.RayTaskError("read", "its traceback", EngineError("no memory"))
    with pytest.raises(EngineError, match=r"^no memory$"):
        asyncio.run(failing(wrapped.as_instanceof_cause()).read_page(ask))


def test_a_path_is_never_opened(toy_file: Path, toy_detector_file: Path, tmp_path: Path) -> None:
    replica = Replica(ReaderOptions(toy_file, detector=toy_detector_file), threads=1)
    secret = tmp_path / "secret.png"
    secret.write_bytes(bar_page())
    for source in (Page(str(secret), 0), str(secret), NamedImage(str(secret), None)):  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="bytes"):
            asyncio.run(replica.read_page(PageAsk(source, None, None, 1, PageWish())))  # type: ignore[arg-type]


def test_a_detector_that_cannot_be_opened_is_said_first(toy_file: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    with pytest.raises(ArtifactError, match=r"broken\.onnx"):
        open_model(ReaderOptions(toy_file, detector=broken))


def test_a_detector_that_nobody_named_is_left_out_if_it_cannot_be_opened(
    toy_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    model = open_model(ReaderOptions(toy_file, detector=broken), may_lack_detector=True)
    assert model.options.detector is None and "pages are not read" in caplog.text
