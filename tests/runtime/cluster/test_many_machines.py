"""A cluster of two machines, which are two of Ray's nodes on this one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from runtime import Recognizer
from runtime.cluster.connection import import_ray
from runtime.infer.recognition.cluster import ClusterRecognizer
from tests.listening import addresses_listened_at, family_of, is_loopback

pytestmark = pytest.mark.slow
pytest.importorskip("ray", reason="readers are started with it")
pytest.importorskip("onnxruntime", reason="models are read with it")

ROOT = Path(__file__).parents[3]
IMAGES = ROOT / "images"
_STORE_BYTES = 100 * 2**20


@pytest.fixture
def cluster() -> Iterator[Any]:
    import_ray(on_loopback=True)
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": _STORE_BYTES}
    machines = Cluster(initialize_head=True, head_node_args=head)
    machines.second = machines.add_node(num_cpus=1, object_store_memory=_STORE_BYTES)
    addresses = addresses_listened_at(family_of(os.getpid()))
    assert len(addresses) > 5 and all(map(is_loopback, addresses)), addresses
    yield machines
    machines.shutdown()


@pytest.mark.parametrize("files", ["auto", "shared"])
def test_the_command_reads_as_one_process(
    cluster: Any, toy_path: Path, tmp_path: Path, files: str
) -> None:
    alone, together = tmp_path / "alone.jsonl", tmp_path / "together.jsonl"
    command = [sys.executable, "-m", "runtime.infer", "images", "none.png", "--model"]
    on_cluster = ["--ray", "--address", cluster.address, "--ray-files", files]
    told = []
    for output, more in ((alone, []), (together, on_cluster)):
        done = subprocess.run(
            [*command, str(toy_path), "--output", str(output), *more],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
        told.append(done.stderr)
    assert together.read_bytes() == alone.read_bytes()
    where = "sent to them" if files == "auto" else "read where they are"
    assert f"2 readers of 1 CPU each on 2 machines, files are {where}" in told[1]


def test_a_machine_that_goes_away_loses_nothing(
    cluster: Any, toy_path: Path, line_images: list[NDArray[np.uint8]]
) -> None:
    images = [np.roll(line_images[number % 40], number, axis=1) for number in range(1200)]
    with Recognizer(toy_path, device="cpu", threads=1) as recognizer:
        expected = [repr(reading) for reading in recognizer(images)]
    got = []
    with ClusterRecognizer(toy_path, device="cpu", address=cluster.address) as readers:
        assert readers.readers.count == 2
        for result in readers.stream(images):
            got.append(repr(result))
            if len(got) == 200:
                cluster.remove_node(cluster.second, allow_graceful=False)
    assert got == expected


def test_machines_need_not_have_this_package(cluster: Any, toy_path: Path) -> None:
    with ClusterRecognizer(toy_path, device="cpu", address=cluster.address) as readers:
        reader, opened = readers._start()
        readers._ray.get(opened)
        paths = readers._ray.get(reader.__ray_call__.remote(lambda _: sys.path))
        # On this machine the checkout itself comes first; elsewhere there is only what was sent.
        sent = [Path(path, "runtime", "infer") for path in paths if "py_modules" in path]
        assert [folder.is_dir() for folder in sent] == [True]
