"""A service in a thread of this process, and one with Ray in its own; a toy model reads."""

from __future__ import annotations

import contextlib
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.service.process import ServiceProcess
from runtime import Recognizer, RecognizerSpec
from runtime.serve.batcher import Record
from runtime.serve.pages.documents import PageAsk
from runtime.serve.pages.replica import PageReply
from runtime.serve.service import Service
from runtime.serve.settings import Limits, ReaderOptions
from tests.runtime.conftest import toy_spec, write_toy_model
from tests.runtime.serve.browsing import BROWSERS, Open


class LocalBackend:
    """Reads in this process. `before` may hold a call up or make it fail."""

    page_description = "toy detector"

    def __init__(self, model: Path, max_pixels: int, **pages: Any) -> None:
        from runtime.serve.replica import Replica

        options = ReaderOptions(model, max_pixels=max_pixels, **pages)
        self._replica = Replica(options, threads=1)
        self.num_replicas, self.is_up = 1, True
        self.calls: list[int] = []
        self.before: Callable[[Sequence[bytes]], Any] | None = None
        self.before_page: Callable[[PageAsk], Any] | None = None

    @property
    def spec(self) -> RecognizerSpec:
        return self._replica.recognizer.spec

    @property
    def description(self) -> str:
        return self._replica.description

    async def read(self, images: Sequence[bytes]) -> Sequence[Record]:
        self.calls.append(len(images))
        if self.before is not None:
            await self.before(images)
        return await self._replica(images)

    async def read_page(self, ask: PageAsk) -> PageReply:
        if self.before_page is not None:
            await self.before_page(ask)
        return await self._replica.read_page(ask)

    async def is_ready(self) -> bool:
        return self.is_up


class Served:
    """A service in a thread, from entering to leaving the block."""

    def __init__(self, backend: LocalBackend, **options: Any) -> None:
        from runtime.serve.server import server_of

        self.backend, self.service = backend, Service(backend, "toy", **options)
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.server = server_of(self.service)
        self._thread = threading.Thread(target=self.server.run, args=([self.socket],), daemon=True)

    def __enter__(self) -> Served:
        self._thread.start()
        while not self.server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *reason: object) -> None:
        self.server.should_exit = True
        self._thread.join(20)
        self.service.close()


@pytest.fixture(scope="session")
def toy_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy model that carries its spec."""
    pytest.importorskip("onnxruntime")
    return write_toy_model(tmp_path_factory.mktemp("toy") / "toy.onnx", spec=toy_spec())


@pytest.fixture(scope="session")
def line_files() -> list[bytes]:
    """Sixty PNG files of many sizes that the toy model reads differently."""
    rng = np.random.default_rng(11)
    files = []
    for width, height in zip(rng.integers(20, 400, 60), rng.integers(16, 60, 60), strict=True):
        blocks = rng.integers(0, 256, (1, max(2, int(width) // 12), 3), dtype=np.uint8)
        image = np.repeat(np.repeat(blocks, height, axis=0), 12, axis=1)
        files.append(bytes(cv2.imencode(".png", image)[1]))
    return files


@pytest.fixture(scope="session")
def expected_texts(toy_file: Path, line_files: list[bytes]) -> list[str]:
    """What a recogniser reads in them, offline."""
    with Recognizer(toy_file) as recognizer:
        return [result.text for result in recognizer(line_files)]


Serve = Callable[..., Served]


@pytest.fixture
def serve(toy_file: Path) -> Iterator[Serve]:
    """Starts a service in this process.

    It takes the arguments of `Service`, those of `Limits` and of `Limits.for_pages`, and a
    detector, with which it reads pages too.
    """
    for library in (
        "fastapi",
        "uvicorn",
        "httptools",
        "httpx",
        "prometheus_client",
        "python_multipart",
    ):
        pytest.importorskip(library)
    with contextlib.ExitStack() as stack:

        def start(
            limits: dict[str, Any] | None = None,
            detector: Path | None = None,
            page_limits: dict[str, Any] | None = None,
            **options: Any,
        ) -> Served:
            chosen = Limits(**(limits or {}))
            pages = chosen.for_pages(**(page_limits or {}))
            backend = LocalBackend(
                toy_file, chosen.pixels, detector=detector, page_pixels=pages.pixels
            )
            if detector is not None:
                options |= {"page_backend": backend, "page_limits": pages}
            return stack.enter_context(Served(backend, limits=chosen, **options))

        yield start


@pytest.fixture(scope="module")
def ray_service(
    toy_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServiceProcess]:
    """A service on Ray with two replicas, shared by the tests of a module."""
    pytest.importorskip("ray", reason="ray runs the replicas: pip install 'ray[serve]'")
    log = tmp_path_factory.mktemp("service") / "log"
    with ServiceProcess(toy_file, log, ["--replicas", "2", "--time-limit", "60"]) as service:
        yield service


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser without a window."""
    reason = "playwright drives the browser: pip install playwright"
    playwright = pytest.importorskip("playwright.sync_api", reason=reason)
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"no browser is here: one of {', '.join(BROWSERS)}")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve()


@pytest.fixture
def open_page(browser: Any, served: Served) -> Iterator[Open]:
    """Opens the page; whatever it complains of on its console fails the test."""
    pages, complaints = [], []

    def opened(service: Served | None = None, **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1100, "height": 900}, **options})
        page = context.new_page()
        pages.append(page)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda said: (
                complaints.append(said.text)
                if said.type == "error" and "401" not in said.text and "422" not in said.text
                else None
            ),
        )
        page.goto((service or served).url)
        return page

    yield opened
    for page in pages:
        page.context.close()
    assert complaints == []


def png(width: int = 60, height: int = 20, level: int = 128) -> bytes:
    """A PNG file of one colour."""
    return bytes(cv2.imencode(".png", np.full((height, width, 3), level, dtype=np.uint8))[1])
