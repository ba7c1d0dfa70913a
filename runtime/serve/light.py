"""A reader in the service's own process: no Ray, a tenth of the memory, for small loads.

What reads takes no other process down and none restarts it: whatever ends a replica ends the
service, which whoever runs it starts again.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from runtime.cpu import available_cpus
from runtime.recognition.spec import RecognizerSpec
from runtime.serve.batcher import Record
from runtime.serve.pages.documents import PageAsk
from runtime.serve.pages.replica import PageReply
from runtime.serve.ray_cluster import require_packages
from runtime.serve.replica import Replica
from runtime.serve.replicas import Model

INSTALL = "pip install 'distilrec[light]'"


class LightBackend:
    """One reader in threads of this process, from entering the block to leaving it.

    Args:
        model: as `open_model` returns it.
        threads: of the CPU; None for as many as there are to use.

    Raises:
        OcrError: on entering, if what the service needs is not installed, or as `Recognizer`.
    """

    num_replicas = 1

    def __init__(self, model: Model, threads: int | None = None) -> None:
        self._model = model
        self.threads = threads or available_cpus()
        self._reader: Replica | None = None

    @property
    def spec(self) -> RecognizerSpec:
        """Input and output of the model."""
        return self._model.spec

    @property
    def description(self) -> str:
        """Engine, version, device and threads."""
        return f"{self._model.engine}, {self.threads} threads in this process"

    @property
    def page_description(self) -> str:
        """Engine, version and device of the detector."""
        return self._model.detector

    def __enter__(self) -> LightBackend:
        require_packages(INSTALL)
        self._reader = Replica(self._model.options, self.threads)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._reader = None

    async def read(self, images: Sequence[bytes]) -> Sequence[Record]:
        """Read images and return a record for each.

        Raises:
            EngineError: if the engine fails.
        """
        return await self._open()(images)

    async def read_page(self, ask: PageAsk) -> PageReply:
        """Read a page.

        Raises:
            EngineError: if the engine fails.
        """
        return await self._open().read_page(ask)

    async def is_ready(self) -> bool:
        """Tell whether images can be read."""
        return self._reader is not None

    def _open(self) -> Replica:
        """Return the reader, which is there inside the block alone."""
        if self._reader is None:
            raise TypeError("expected to read inside the block")
        return self._reader
