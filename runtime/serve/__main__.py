"""Read line images and pages over HTTP: `python -m runtime.serve`.

Exit status: 0 ended normally; 2 nothing could be served, for the reason given in one line.
"""

from __future__ import annotations

import logging
import signal
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from runtime.errors import OcrError
from runtime.program import told
from runtime.serve.arguments import PAGES, parse_arguments
from runtime.standard_streams import open_standard_streams

if TYPE_CHECKING:  # slow imports come after the command line was checked
    from runtime.serve.light import LightBackend
    from runtime.serve.replicas import Model, Replicas
    from runtime.serve.service import Service

ENDED, UNUSABLE = 0, 2

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_log = logging.getLogger("runtime.serve")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments without the program's name; those of the process when None.

    Returns:
        the exit status.
    """
    open_standard_streams()
    arguments = parse_arguments(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    _log.setLevel(logging.INFO)
    try:
        _serve(arguments)
    except OcrError as error:
        print(f"serve: {told(error)}", file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt:
        print("serve: interrupted before it was ready", file=sys.stderr)
        return UNUSABLE
    return ENDED


def _serve(arguments: Namespace) -> None:
    """Open the model, start the replicas, and serve until a signal; imports come late."""
    from runtime.serve.allocator import give_back_large_blocks
    from runtime.serve.bounds.access import api_keys
    from runtime.serve.bounds.access_log import AccessLog
    from runtime.serve.bounds.hosts import Hosts
    from runtime.serve.replicas import open_model
    from runtime.serve.server import BACKLOG, limits_within_descriptors, listen, run
    from runtime.serve.service import Service
    from runtime.serve.settings import Limits, ReaderOptions

    give_back_large_blocks()
    limits = Limits(
        images_per_request=min(arguments.max_images, arguments.queue),
        body_bytes=arguments.max_body,
        pixels=arguments.max_pixels,
        queued_images=arguments.queue,
        queued_bytes=arguments.max_queue_bytes,
        seconds=arguments.time_limit,
        connections=arguments.connections,
        connections_per_client=arguments.connections_per_client,
    )
    keys = api_keys(arguments.api_key_file)
    options = ReaderOptions(
        arguments.model,
        arguments.dictionary,
        arguments.device,
        arguments.max_pixels,
        arguments.max_batch,
        arguments.detector,
        arguments.max_page_pixels,
        arguments.precision,
    )
    page_limits = limits.for_pages(
        arguments.max_pages,
        arguments.page_queue,
        arguments.max_page_pixels,
        arguments.page_time_limit,
    )
    with ExitStack() as stack:
        # Errors of the address and the model are reported before the costly start of Ray.
        socket = stack.enter_context(listen(arguments.host, arguments.port))
        model = open_model(options, may_lack_detector=arguments.is_own_detector)
        with_pages = model.options.detector is not None
        # A terminal that hangs up would leave Ray's processes behind.
        signal.signal(signal.SIGHUP, signal.default_int_handler)
        backend = _backend(arguments, model, stack)
        access_log = None
        if arguments.access_log is not None:
            access_log = stack.enter_context(AccessLog(arguments.access_log))
        name = _name_of(arguments, with_pages)
        allowed = limits_within_descriptors(limits)
        if allowed != limits:
            _log.warning(
                "%d connections at once instead of %d: too few open files are allowed (ulimit -n)",
                allowed.connections,
                limits.connections,
            )
        service = Service(
            backend,
            name,
            allowed,
            keys,
            arguments.max_batch,
            arguments.max_wait_ms / 1000,
            Hosts([arguments.host, *arguments.allowed_hosts]),
            backend if with_pages else None,
            page_limits,
            access_log,
        )
        if arguments.no_pages is not None:
            _log.info("pages are not read: %s", arguments.no_pages)
        host, port = socket.getsockname()[:2]
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if host not in _LOOPBACK and not keys:
            _log.warning("anyone who reaches %s may use this: no API key is set", host)
        socket.listen(BACKLOG)  # from now on connections are accepted
        _log.info("reading %s at http://%s/", name, address)
        run(service, socket, arguments.drain, _reloading(service, arguments.api_key_file))
        _log.info("ended: what was accepted has been answered")


def _backend(arguments: Namespace, model: Model, stack: ExitStack) -> Replicas | LightBackend:
    """Start what reads, and say what it is; it ends with the stack."""
    if arguments.light:
        from runtime.serve.light import LightBackend

        light = stack.enter_context(LightBackend(model))
        _log.info("%s", light.description)
        return light
    from runtime.serve.ray_cluster import RayCluster
    from runtime.serve.replicas import Replicas

    cluster = stack.enter_context(RayCluster(arguments.ray_address))
    # Ray's own handler would end this process without a message.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    replicas = stack.enter_context(Replicas(cluster, model, arguments.replicas))
    sizes = replicas.sizes
    _log.info(
        "%s: %d replica(s) of %g CPU(s), %g GPU(s) and %d thread(s) each",
        replicas.description,
        sizes.replicas,
        sizes.cpus,
        sizes.gpus,
        sizes.threads,
    )
    return replicas


def _reloading(service: Service, file: str | None) -> Callable[[], None] | None:
    """Return what reads the keys of a file again, None without a file."""
    from runtime.serve.bounds.access import api_keys

    if file is None:
        return None

    def reload() -> None:
        try:
            service.keys = api_keys(file)
            _log.info("%d API key(s) read again", len(service.keys))
        except OcrError as error:
            _log.error("the API keys stay as they were: %s", error)

    return reload


def _name_of(arguments: Namespace, with_pages: bool) -> str:
    """Return the model's name, which is none that stands for another one."""
    stem: str = arguments.model.stem
    if with_pages and stem == PAGES:
        stem = f"{stem}-lines"
    return arguments.name or stem


if __name__ == "__main__":
    sys.exit(main())
