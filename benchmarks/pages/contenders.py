"""The commands of those that are measured, and what they run in."""

from __future__ import annotations

import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from benchmarks.measuring.alternation import Contender
from benchmarks.pages.readers import PACKAGES
from runtime.errors import OcrError

PEERS = tuple(PACKAGES)
_START_S = 60


def absent_peers(options: Namespace) -> dict[str, str]:
    """Return the peers that were asked for and cannot be imported, with the reason.

    Raises:
        OcrError: if the Python of a peer is given wrongly.
    """
    pythons = pythons_of(options)
    absent = {}
    for peer in options.peers:
        command = [pythons[peer], "-c", f"import {PACKAGES[peer]}"]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_START_S, check=False)
            is_there = done.returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            is_there = False
        if not is_there:
            absent[peer] = (
                f"{pythons[peer]} cannot import {PACKAGES[peer]}: pip install "
                f"{PACKAGES[peer].replace('_', '-')}, or name its Python with --python {peer}=FILE"
            )
    return absent


def pythons_of(options: Namespace) -> dict[str, str]:
    """Return the Python of each peer: an option's, an environment variable's, or this one.

    Raises:
        OcrError: if an option is not `PEER=FILE`.
    """
    pythons = {
        peer: os.environ.get(f"BENCHMARK_PYTHON_{peer.upper().replace('-', '_')}", sys.executable)
        for peer in PEERS
    }
    for given in options.python:
        peer, _, file = given.partition("=")
        if peer not in PEERS or not file:
            raise OcrError(
                f"--python {given}: expected PEER=FILE with one of {', '.join(PEERS)}, as in "
                "--python faster-paddle=/opt/peer/bin/python"
            )
        pythons[peer] = file
    return pythons


def contenders_of(
    options: Namespace,
    pages: Path,
    detector: Path,
    recognizer: Path,
    absent: Mapping[str, str],
    in_stages: bool = False,
) -> list[Contender]:
    """Return this project's reader and its peers.

    Args:
        options: of the command line.
        pages: a JSON list of paths.
        detector, recognizer: the models of all that take any.
        absent: peers to leave out.
        in_stages: whether the time in the networks is told, with one thread.
    """
    pythons = pythons_of(options)
    found = []
    for name in ("ours", *(peer for peer in options.peers if peer not in absent)):
        words = [pythons.get(name, sys.executable), "-m", "benchmarks.pages.contender", name]
        words += ["--pages", str(pages), "--detector", str(detector.resolve())]
        words += ["--recognizer", str(recognizer.resolve())]
        words += ["--threads", str(1 if in_stages else options.threads)]
        found.append(Contender(name, (*words, *(["--stages"] if in_stages else ()))))
    return found
