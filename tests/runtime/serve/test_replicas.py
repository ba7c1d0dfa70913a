"""The whole service on Ray: `python -m runtime.serve` in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from benchmarks.service.clients import Tally, Work, run_clients
from benchmarks.service.process import ServiceProcess
from runtime import Recognizer
from tests.listening import addresses_listened_at, is_loopback, needs_proc
from tests.runtime.serve.conftest import png

httpx = pytest.importorskip("httpx")
GIVEN_BACK_WITHIN_S = 60


def work(service: ServiceProcess, images: list[bytes], texts: list[str], number: int) -> Work:
    return Work(service.host, service.port, images, texts, number)


def assert_faultless(tally: Tally) -> None:
    assert tally.is_faultless, (tally.statuses, tally.wrong)
    assert tally.num_right > 0


@pytest.mark.parametrize("number", [1, 5])
def test_every_client_gets_what_a_recogniser_reads_offline(
    ray_service: ServiceProcess, line_files: list[bytes], expected_texts: list[str], number: int
) -> None:
    assert_faultless(run_clients(work(ray_service, line_files, expected_texts, number), 8, 2.0))


def test_a_replica_killed_under_load_loses_and_swaps_nothing(
    ray_service: ServiceProcess, line_files: list[bytes], expected_texts: list[str]
) -> None:
    tallies: list[Tally] = []
    asked = work(ray_service, line_files, expected_texts, 2)
    load = threading.Thread(target=lambda: tallies.append(run_clients(asked, 8, 3.0)))
    load.start()
    time.sleep(1.0)
    before = ray_service.replica_pids()
    assert len(before) == 2
    os.kill(before[0], signal.SIGKILL)
    load.join()
    assert_faultless(tallies[0])
    end = time.monotonic() + GIVEN_BACK_WITHIN_S
    while time.monotonic() < end and len(set(ray_service.replica_pids()) - {before[0]}) < 2:
        time.sleep(0.2)
    assert len(ray_service.replica_pids()) == 2  # another has taken its place


def test_it_is_ready_and_told_what_was_chosen(ray_service: ServiceProcess) -> None:
    assert httpx.get(f"{ray_service.url}/ready", timeout=60).status_code == 200
    assert httpx.get(f"{ray_service.url}/v2/models/toy/ready", timeout=60).status_code == 200
    assert re.search(
        r"2 replica\(s\) of [\d.]+ CPU\(s\), 0 GPU\(s\) and \d+ thread", ray_service.log
    )


def test_bad_images_reach_the_client_as_reasons(ray_service: ServiceProcess) -> None:
    files = [("image", ("a.png", png())), ("image", ("b.png", b"bad"))]
    answer = httpx.post(f"{ray_service.url}/recognize", files=files, timeout=60)
    first, second = answer.json()["results"]
    assert first["error"] is None and "not an image" in second["error"]


@needs_proc
def test_nothing_listens_beyond_loopback(ray_service: ServiceProcess) -> None:
    addresses = addresses_listened_at(ray_service.family_pids())
    assert len(addresses) > 5 and all(map(is_loopback, addresses)), addresses


def run_serve(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "runtime.serve", *options],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
        cwd=Path(__file__).parents[3],
    )


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--model", "missing.onnx"], "no such file"),
        (["--model", "MODEL", "--queue", "0"], "--queue"),
        (["--model", "MODEL", "--max-body", "300M"], "larger than the queue"),
        (["--model", "MODEL", "--host", "192.0.2.77"], "cannot listen"),
        (["--model", "MODEL", "--port", "99999"], "--port"),
        (["--model", "MODEL", "--api-key-file", "missing"], "cannot read the API key"),
        (["--model", "MODEL", "--time-limit", "nan"], "--time-limit"),
    ],
)
def test_what_cannot_be_served_is_one_line(toy_file: Path, options: list[str], reason: str) -> None:
    done = run_serve(*[str(toy_file) if option == "MODEL" else option for option in options])
    assert done.returncode == 2
    assert reason in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_a_short_key_is_refused(toy_file: Path) -> None:
    done = run_serve("--model", str(toy_file), DISTILREC_API_KEY="short")
    assert done.returncode == 2 and "too short" in done.stderr and "short'" not in done.stderr


def test_together_they_are_all_answered(
    ray_service: ServiceProcess, line_files: list[bytes], expected_texts: list[str]
) -> None:
    """Single images and forms at once, from threads of their own."""

    def ask(number: int) -> Any:
        return run_clients(work(ray_service, line_files, expected_texts, number), 3, 1.5)

    with ThreadPoolExecutor(3) as pool:
        for tally in pool.map(ask, (1, 3, 20)):
            assert_faultless(tally)


def test_ending_answers_what_was_accepted(ray_service: ServiceProcess, toy_file: Path) -> None:
    """SIGTERM while requests are in hand; nothing is left running. The last test of the service."""
    service = ray_service
    images = [png(3200, 2500, level) for level in range(8)]  # a while to decode
    with Recognizer(toy_file) as recognizer:
        expected = [result.text for result in recognizer(images)]
    files = [("image", (f"{place}.png", image)) for place, image in enumerate(images)]
    with ThreadPoolExecutor(3) as pool:

        def ask() -> Any:
            return httpx.post(f"{service.url}/recognize", files=files, timeout=120)

        def in_hand() -> float:
            text = httpx.get(f"{service.url}/metrics", timeout=60).text
            return float(re.findall(r"^distilrec_in_hand_images (\S+)", text, re.MULTILINE)[0])

        accepted = [pool.submit(ask) for _ in range(3)]
        while True:  # until all that is not answered has arrived
            asked = [reply for reply in accepted if not reply.done()]
            if not asked:  # all was answered before anybody looked
                accepted = [pool.submit(ask) for _ in range(3)]
            elif in_hand() >= len(asked) * len(images):
                break
        family = service.family_pids()
        assert service.end() == 0
        for answer in accepted:
            assert [result["text"] for result in answer.result().json()["results"]] == expected
    assert "what was accepted has been answered" in service.log
    end = time.monotonic() + GIVEN_BACK_WITHIN_S
    while time.monotonic() < end and any(Path(f"/proc/{pid}").exists() for pid in family):
        time.sleep(0.1)
    assert not [pid for pid in family if Path(f"/proc/{pid}").exists()]
