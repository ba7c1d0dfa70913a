"""The command line of `python -m runtime.serve`; nothing heavy is imported to parse it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from runtime.detection.model.default import default_detector
from runtime.errors import ArtifactError
from runtime.program import program_name
from runtime.recognition.model.default import default_model

USAGE_ERROR = 2
PAGES = "pages"
"""Name of the model of pages under /v2."""

_MULTIPLES = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}
_DEVICES = ("auto", "cpu", "openvino", "cuda", "tensorrt")
_PRECISIONS = ("auto", "fp32", "bf16", "int8")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Exit with the message in one line, without the usage in front of it."""
        self.exit(USAGE_ERROR, f"serve: {message} (--help shows all options)\n")


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse and check the command line; exit with a message if it is invalid.

    `is_own_detector` tells whether the detector is the project's own, as none was named, and
    `no_pages` why there is none at all.
    """
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.detector is not None and arguments.lines_only:
        parser.error("--detector finds the lines of pages: expected it without --lines-only")
    if arguments.light and (arguments.ray_address is not None or arguments.replicas is not None):
        parser.error("--light reads in one process: expected no --ray-address and no --replicas")
    _choose_detector(arguments)
    if arguments.detector is not None and arguments.name == PAGES:
        parser.error(
            f"--name {PAGES} is the name by which /v2 reads pages: expected another one, or "
            "--lines-only"
        )
    try:
        arguments.model = arguments.model or default_model()
    except ArtifactError as error:
        parser.error(str(error))
    return arguments


def _choose_detector(arguments: argparse.Namespace) -> None:
    """Take the project's own detector where none is named, or say why not."""
    arguments.no_pages, arguments.is_own_detector = None, False
    if arguments.detector is not None:
        return
    if arguments.lines_only:
        arguments.no_pages = "--lines-only was given"
    elif arguments.ray_address is not None:
        arguments.no_pages = "a running cluster needs --detector FILE, a file of all its machines"
    else:
        try:
            arguments.detector, arguments.is_own_detector = default_detector(), True
        except ArtifactError as error:
            arguments.no_pages = str(error)


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    parser = _Parser(
        prog=program_name("runtime.serve"),
        description="Read line images and whole pages over HTTP: a page at /, "
        "POST /recognize, POST /read, and the Open Inference Protocol under /v2.",
        epilog="Bounded besides: a header to 32 KiB, 100 lines and 10 s; an address to 8 KiB; a "
        "body's pauses to 5 s, its rate to 1,000 bytes/s or more; a connection without a request "
        "to 30 s. TLS, users and their rates, and buffering for very many slow clients belong to "
        "a proxy in front of it. Ctrl-C and SIGTERM answer what was accepted, then end it; SIGHUP "
        "reads the keys again. Exit status: 0 ended, 2 nothing could be served.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    model = parser.add_argument_group("model")
    add = model.add_argument
    add(
        "--model",
        type=Path,
        metavar="FILE",
        help="an .onnx or .plan file; models/latin, Latin script, if not given",
    )
    add(
        "--detector",
        type=Path,
        metavar="FILE",
        help="an .onnx or .plan file that finds the lines of pages, images and PDF files, for "
        "--model to read; models/lines if not given, unless with --ray-address",
    )
    add("--lines-only", action="store_true", help="read no pages, and open no detector")
    add("--name", help="of the model, in paths and answers; its file's if not given")
    add("--dictionary", type=Path, metavar="FILE", help="for a model that carries no characters")
    add("--device", choices=_DEVICES, default="auto", help="where it runs")
    add(
        "--precision",
        choices=_PRECISIONS,
        default="auto",
        help="on the CPU; auto: as the model's file is, or faster where that is proven beside it",
    )
    network = parser.add_argument_group("network")
    add = network.add_argument
    add("--host", default="127.0.0.1", help="address to listen on")
    add(
        "--allowed-hosts",
        nargs="+",
        default=[],
        metavar="NAME",
        help="names by which requests may call it (their Host), besides localhost, --host and IP "
        "addresses; '*' for any",
    )
    add("--port", type=_port, default=8000, metavar="N", help="0 takes a free one")
    add(
        "--api-key-file",
        metavar="FILE",
        help="requests must show the key in its first line, or the one in its second, which it "
        "takes the place of; read again on SIGHUP; DISTILREC_API_KEY does the same for one key",
    )
    add(
        "--access-log",
        metavar="FILE",
        help="a line of JSON for each request that is answered; - for standard output",
    )
    add(
        "--drain",
        type=_drain,
        default=2.0,
        metavar="S",
        help="how long /ready answers 503 after SIGTERM before no more connections are taken",
    )
    replicas = parser.add_argument_group("replicas")
    add = replicas.add_argument
    add(
        "--light",
        action="store_true",
        help="read in this process alone, without Ray: one reader on all CPUs, for small loads or "
        "a container",
    )
    add("--replicas", type=_positive, metavar="N", help="if not given, as many as suit")
    add("--max-batch", type=_positive, default=16, metavar="N", help="images in one call at most")
    add(
        "--max-wait-ms",
        type=_milliseconds,
        default=5.0,
        metavar="MS",
        help="how long images wait for others while all replicas are at work",
    )
    add("--ray-address", metavar="ADDRESS", help="a running Ray cluster; else one is started here")
    limits = parser.add_argument_group("limits")
    add = limits.add_argument
    add("--queue", type=_positive, default=128, metavar="N", help="images in hand; beyond it 429")
    add("--max-images", type=_positive, default=64, metavar="N", help="images in one request")
    add("--max-body", type=_multiple, default="16M", metavar="BYTES", help="of one request")
    add("--max-queue-bytes", type=_multiple, default="256M", metavar="BYTES", help="in hand")
    add("--max-pixels", type=_multiple, default="8M", metavar="N", help="of one image")
    add("--connections", type=_positive, default=512, metavar="N", help="at once; beyond it 503")
    add(
        "--connections-per-client",
        type=_count,
        default=384,
        metavar="N",
        help="of one address (one /64 in IPv6); behind a proxy all clients have its own: 0 for no "
        "bound but --connections",
    )
    add("--time-limit", type=_seconds, default=30.0, metavar="S", help="of one request")
    _add_limits_of_pages(parser)
    return parser


def _add_limits_of_pages(parser: argparse.ArgumentParser) -> None:
    pages = parser.add_argument_group("limits of pages")
    add = pages.add_argument
    add("--max-pages", type=_positive, default=64, metavar="N", help="in one request")
    add("--page-queue", type=_positive, default=128, metavar="N", help="in hand; beyond it 429")
    add(
        "--max-page-pixels",
        type=_multiple,
        default="40M",
        metavar="N",
        help="of one page; a larger image is refused, a larger page of a PDF made smaller",
    )
    add("--page-time-limit", type=_seconds, default=120.0, metavar="S", help="of one request")


def _positive(text: str) -> int:
    if not (text.isdecimal() and text.isascii() and int(text)):
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def _count(text: str) -> int:
    return 0 if text == "0" else _positive(text)


def _port(text: str) -> int:
    if not (text.isdecimal() and text.isascii() and int(text) < 2**16):
        raise argparse.ArgumentTypeError(f"expected 0 .. 65535, got {text!r}")
    return int(text)


def _multiple(text: str) -> int:
    found = re.fullmatch(r"0*([1-9][0-9]{0,15})([kmg]?)", text.lower())
    if found is None:
        raise argparse.ArgumentTypeError(
            f"expected a whole number of at least 1, with k, M or G behind it if need be, got "
            f"{text!r}"
        )
    return int(found[1]) * _MULTIPLES[found[2]]


def _milliseconds(text: str) -> float:
    return _number(text, 0.0, 60_000.0)


def _drain(text: str) -> float:
    return _number(text, 0.0, 3600.0)


def _seconds(text: str) -> float:
    return _number(text, 0.001, 3600.0)


def _number(text: str, least: float, most: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"expected {least:g} .. {most:g}, got {text!r}")
    return number
