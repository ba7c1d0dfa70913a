"""Runs replicas on Ray Serve, sized by the cluster, called with the images of many requests.

Ray Serve's own HTTP proxy is off: a request through it costs more than reading a line.
"""

from __future__ import annotations

import asyncio
import logging
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from runtime.cluster.sizing import Sizes, sizes_for
from runtime.detection.session import open_session as open_detector
from runtime.engines import ENGINE_SUFFIXES
from runtime.errors import EngineError, OcrError
from runtime.recognition.session import open_session
from runtime.recognition.spec import RecognizerSpec
from runtime.serve.batcher import Record, ReplicaLost
from runtime.serve.pages.documents import PageAsk
from runtime.serve.pages.replica import SPARE_PAGES, PageReply
from runtime.serve.ray_cluster import RayCluster, keep_replica_on_loopback
from runtime.serve.replica import SPARE_CALLS, Replica
from runtime.serve.settings import CALLS_PER_REPLICA, PAGES_PER_REPLICA, ReaderOptions

_READY_WITHIN_S = 5.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Model:
    """A model that could be opened.

    Args:
        options: how to read with it.
        spec: its input and output.
        engine: engine, version and device.
        detector: the same of the detector, "" without one.
    """

    options: ReaderOptions
    spec: RecognizerSpec
    engine: str
    detector: str = ""


def open_model(options: ReaderOptions, may_lack_detector: bool = False) -> Model:
    """Open a model once, so that errors in it are reported before anything is started.

    Args:
        options: how to read with it.
        may_lack_detector: whether a detector that cannot be opened is logged and left out.

    Raises:
        OcrError: if it cannot be opened.
    """
    session = open_session(options.model, options.dictionary, options.device, threads=1)
    model = Model(options, session.spec, session.description.rpartition(",")[0])
    session.close()
    if options.detector is None:
        return model
    try:
        detector = open_detector(options.detector, options.device, threads=1)
    except OcrError as error:
        if not may_lack_detector:
            raise
        _log.warning("pages are not read: %s", error)
        return replace(model, options=replace(options, detector=None))
    engine = detector.description.rpartition(",")[0]
    detector.close()
    return replace(model, detector=engine)


class Replicas:
    """A model on Ray Serve, from entering the block to leaving it.

    Args:
        cluster: entered already.
        model: as `open_model` returns it.
        replicas: their number; None for as many as suit the cluster.

    Raises:
        OcrError: on entering, if a replica cannot be started.
    """

    def __init__(self, cluster: RayCluster, model: Model, replicas: int | None = None) -> None:
        self._cluster, self._model, self._wanted = cluster, model, replicas
        self._app = f"distilrec-{os.getpid()}"
        self._lost = _exceptions(cluster.ray)
        self._handle: Any = None
        self.sizes = Sizes(0, 0, 0, 0)

    @property
    def spec(self) -> RecognizerSpec:
        """Input and output of the model."""
        return self._model.spec

    @property
    def description(self) -> str:
        """Engine, version, device and threads of a replica."""
        return f"{self._model.engine}, {self.sizes.threads} threads a replica"

    @property
    def page_description(self) -> str:
        """Engine, version and device of the detector."""
        return self._model.detector

    @property
    def num_replicas(self) -> int:
        """Number of replicas that were started."""
        return self.sizes.replicas

    def __enter__(self) -> Replicas:
        serve = self._cluster.serve
        # Logging a line for every call costs as much as the call.
        quiet = serve.schema.LoggingConfig(enable_access_log=False, log_level="WARNING")
        cpus, gpus = self._cluster.free()
        self.sizes = sizes_for(cpus, gpus if self._is_on_gpu() else 0.0, self._wanted)
        at_once = CALLS_PER_REPLICA + SPARE_CALLS
        if self._model.options.detector is not None:
            at_once += PAGES_PER_REPLICA + SPARE_PAGES
        deployment = serve.deployment(
            _Replica,
            name="reader",
            num_replicas=self.sizes.replicas,
            max_ongoing_requests=at_once,
            ray_actor_options={"num_cpus": self.sizes.cpus, "num_gpus": self.sizes.gpus},
            health_check_period_s=1.0,
            graceful_shutdown_timeout_s=5.0,
            logging_config=quiet,
        )
        bound = deployment.bind(self._absolute(), self.sizes.threads, self._cluster.is_ours)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                serve.start(proxy_location="Disabled", logging_config=quiet)
                self._handle = serve.run(bound, name=self._app, route_prefix=None)
        except RuntimeError as error:
            raise OcrError(f"the replicas cannot be started: {error}") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._cluster.is_ours:  # otherwise they end with the cluster, which is faster
            self._cluster.serve.delete(self._app)

    async def read(self, images: Sequence[bytes]) -> Sequence[Record]:
        """Read images and return a record for each.

        Raises:
            ReplicaLost: if the replica died.
            EngineError: if the engine fails.
        """
        records: Sequence[Record] = await self._answer_of(self._handle.remote(list(images)))
        return records

    async def read_page(self, ask: PageAsk) -> PageReply:
        """Read a page.

        Raises:
            ReplicaLost, EngineError: as `read`.
        """
        reply: PageReply = await self._answer_of(self._handle.read_page.remote(ask))
        return reply

    async def _answer_of(self, call: Any) -> Any:
        """Wait for the answer of a replica, and tell its loss from its errors."""
        try:
            return await call
        except self._lost as error:
            raise ReplicaLost(f"a replica was lost ({type(error).__name__})") from error
        except self._cluster.ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, OcrError):
                raise EngineError(str(error.cause)) from error
            raise

    async def is_ready(self) -> bool:
        """Tell whether at least one replica can read."""
        try:
            return await asyncio.wait_for(asyncio.to_thread(self._is_ready), _READY_WITHIN_S)
        except TimeoutError:
            return False

    def _is_ready(self) -> bool:
        application = self._cluster.serve.status().applications.get(self._app)
        return application is not None and any(
            deployment.replica_states.get("RUNNING", 0)
            for deployment in application.deployments.values()
        )

    def _is_on_gpu(self) -> bool:
        """Tell whether the replicas need a GPU."""
        options = self._model.options
        files = [options.model, *filter(None, [options.detector])]
        is_plan = any(file.suffix.lower() in ENGINE_SUFFIXES for file in files)
        engines = self._model.engine + self._model.detector
        return is_plan or options.device in ("cuda", "tensorrt") or "CUDA" in engines

    def _absolute(self) -> ReaderOptions:
        """Return the options with absolute paths, for processes in another folder."""
        options = self._model.options
        dictionary = options.dictionary and options.dictionary.resolve()
        detector = options.detector and options.detector.resolve()
        return replace(
            options, model=options.model.resolve(), dictionary=dictionary, detector=detector
        )


class _Replica(Replica):
    """A `Replica` in a process that Ray Serve started."""

    def __init__(self, options: ReaderOptions, threads: int, is_local: bool) -> None:
        if is_local:
            keep_replica_on_loopback()
        super().__init__(options, threads)


def _exceptions(ray: Any) -> tuple[type[BaseException], ...]:
    """Return the errors that mean that a replica died, rather than failed."""
    known = ray.exceptions
    return (
        known.RayActorError,
        known.WorkerCrashedError,
        known.NodeDiedError,
        known.ObjectLostError,
        known.LocalRayletDiedError,
        ray.serve.exceptions.ReplicaUnavailableError,
    )
