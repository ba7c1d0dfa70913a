"""The real TensorRT on a real GPU: `make test-gpu`.

Engines of the model that comes along are built for it, FP32 and FP16. Environment variables name
something else: DISTILREC_PLAN and DISTILREC_ONNX a plan and the FP32 model that it was built from,
DISTILREC_DATA a folder of line images, DISTILREC_MINUTES how long random shapes are run (1 by
default, 30 before a release), DISTILREC_CUDA the package that reaches the GPU.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from runtime import Recognizer, find_images
from runtime.engines.cuda import PROVIDERS, open_cuda
from runtime.engines.sidecar import EngineSidecar
from runtime.engines.tensorrt.engine import TensorRtEngine
from runtime.engines.tensorrt.library import load_tensorrt
from runtime.engines.tensorrt.plan import TensorRtPlan
from runtime.errors import EngineError, ImageError
from runtime.images.read import read_image
from runtime.recognition.best_path_session import BestPathSession
from tests.runtime.engines.conftest import Pair

pytestmark = pytest.mark.gpu

MOST_CROPS, IMAGES_OF_THREADS, THREADS = 500, 2000, 8
TIE_TOLERANCE = 0.02
"""Twice what the engine was built with: a GPU rounds otherwise than the proof emulates."""
TOLERATED_BYTES = 64 * 2**20
"""What the driver may take for itself, e.g. for kernels that it loads when they are first used."""


@pytest.fixture
def crops(request: pytest.FixtureRequest, line_images: Any) -> list[Any]:
    """Real lines where there are any, else the rendered blocks."""
    if "DISTILREC_DATA" not in os.environ:
        return list(line_images)
    read: list[Any] = []
    for path in find_images([str(request.getfixturevalue("real_lines"))]):
        try:
            read.append(read_image(path))
        except ImageError:
            continue  # what is no image is of no use here
        if len(read) == MOST_CROPS:
            break
    return read


@pytest.mark.parametrize("provider", PROVIDERS)
def test_text_equals_onnxruntimes(
    pair: Pair, crops: list[Any], provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if EngineSidecar.read(pair.plan).achieved != "fp32":
        pytest.skip("FP16 may turn what FP32 leaves undecided, which the next test allows for")
    monkeypatch.setenv("DISTILREC_CUDA", provider)
    try:
        open_cuda()
    except EngineError as error:
        pytest.skip(str(error))
    with Recognizer(pair.onnx, device="cpu") as recognizer:
        expected = recognizer(crops)
    with Recognizer(pair.plan, device="cuda") as recognizer:
        for _ in range(3):  # plain, captured, replayed
            got = recognizer(crops)
            # Lines that the engine squeezes and the model does not are no comparison.
            same_size = [
                one.input_width_px == two.input_width_px
                for one, two in zip(got, expected, strict=True)
            ]
            assert sum(same_size) > len(crops) // 2
            differing = [
                (one.text, two.text)
                for one, two, is_same in zip(got, expected, same_size, strict=True)
                if is_same and one.text != two.text
            ]
            assert differing == []


def test_decisions_equal_onnxruntimes_but_for_ties(pair: Pair) -> None:
    """On lines that the precision was proven on, others when DISTILREC_DATA names them."""
    pytest.importorskip("onnx", reason="export reads the model with it")
    from export.contract import model_contract, samples_to_compare
    from export.conversion.model_file import read_model
    from export.engine.proof import prove_engine

    source = read_model(pair.onnx)
    contract = model_contract(source.spec)
    samples = samples_to_compare([os.environ.get("DISTILREC_DATA", "images")], contract)
    agreement = prove_engine(pair.plan, source.model, contract, samples, TIE_TOLERANCE)
    assert agreement.num_samples > len(samples), "and a line as long as the engine takes"


def test_threads_read_what_one_reads(pair: Pair, crops: list[Any]) -> None:
    session = BestPathSession(TensorRtEngine(TensorRtPlan(pair.plan), num_lanes=3))
    recognizer = Recognizer(session, batch_size=4)
    expected = [result.text for result in recognizer(crops)]
    rounds = -(-IMAGES_OF_THREADS // (THREADS * len(crops)))
    failures: list[Any] = []

    def work() -> None:
        try:
            for _ in range(rounds):
                got = [result.text for result in recognizer(crops)]
                if got != expected:
                    failures.append((got, expected))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recognizer.close()
    assert failures == []


def test_memory_stays_flat_over_random_shapes(
    pair: Pair, lines_of: Callable[..., list[Any]]
) -> None:
    minutes = float(os.environ.get("DISTILREC_MINUTES", "1"))
    plan = TensorRtPlan(pair.plan)
    session, rng = BestPathSession(TensorRtEngine(plan)), np.random.default_rng(0)
    policy = session.spec.width
    if (session.spec.height, session.spec.channels) != (32, 3):
        pytest.skip("the random lines are 32 px high and coloured")
    widths = sorted(
        {policy.input_width(number) for number in range(policy.min_px, policy.max_px + 1)}
    )
    most = session.lines_at_once or 1
    start_s, settled_s, free = time.monotonic(), 60 * minutes / 5, None
    while (elapsed_s := time.monotonic() - start_s) < 60 * minutes:
        width_px = int(rng.choice(widths))
        lines = lines_of(rng, int(rng.integers(1, 2 * most)), width_px)
        classes, confidences = session.read(lines, width_px)
        assert classes.shape == confidences.shape and len(classes) == len(lines)
        if elapsed_s > settled_s and free is None:
            free = plan.cuda.memory_info()[0]
    assert free is not None
    assert plan.cuda.memory_info()[0] > free - TOLERATED_BYTES
    session.close()


def test_the_report_has_trtexecs_lines(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    """Both figures are printed side by side; times are for a reader, not for a test."""
    trtexec = shutil.which("trtexec")
    if trtexec is None or load_tensorrt().name != "tensorrt":
        pytest.skip("trtexec is not at hand")
    from benchmarks.trt.__main__ import main

    profile = EngineSidecar.read(pair.plan).profiles[0]
    shapes = ",".join(
        f"{name}:{'x'.join(map(str, shapes.opt))}" for name, shapes in profile.items()
    )
    theirs = subprocess.run(
        [trtexec, f"--loadEngine={pair.plan}", f"--shapes={shapes}", "--duration=2"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert theirs.returncode == 0, theirs.stdout[-2000:] + theirs.stderr[-2000:]
    assert main([f"--loadEngine={pair.plan}", "--duration=2"]) == 0
    ours = capsys.readouterr().out
    titles = (
        r"\] ((?:Throughput|Latency|Enqueue Time|H2D Latency|GPU Compute Time|D2H Latency): .*)"
    )
    with capsys.disabled():
        for name, text in (("trtexec", theirs.stdout), ("benchmarks.trt", ours)):
            print(f"\n{name}", *re.findall(titles, text), sep="\n  ")
    assert [word.partition(":")[0] for word in re.findall(titles, ours)] == [
        word.partition(":")[0] for word in re.findall(titles, theirs.stdout)
    ]


def test_profiles_taking_turns_and_graphs_from_before_a_switch(
    pair: Pair, lines_of: Callable[..., list[Any]]
) -> None:
    """A switch of the profile leaves graphs of the other one as they were; so do larger buffers."""
    plan = TensorRtPlan(pair.plan)
    engine = TensorRtEngine(plan, num_lanes=1)
    session, rng = BestPathSession(engine), np.random.default_rng(1)
    policy = session.spec.width
    widths = [policy.input_width(width) for width in (policy.min_px, 160, policy.max_px)]
    batches = [(lines_of(rng, 4, width), width) for width in widths]
    expected = [session.read(*batch) for batch in batches]
    for _ in range(6):
        for batch, (classes, confidences) in zip(batches, expected, strict=True):
            again, numbers = session.read(*batch)
            np.testing.assert_array_equal(again, classes)
            np.testing.assert_array_equal(numbers, confidences)
    session.close()


def test_more_shapes_than_graphs_and_memory_for_them(
    pair: Pair, lines_of: Callable[..., list[Any]]
) -> None:
    plan = TensorRtPlan(pair.plan)
    session, rng = BestPathSession(TensorRtEngine(plan, num_lanes=1)), np.random.default_rng(2)
    policy = session.spec.width
    widths = sorted({policy.input_width(width) for width in range(policy.min_px, policy.max_px)})
    for _ in range(3):
        for width in widths[:40]:
            session.read(lines_of(rng, 2, width), width)
    free = plan.cuda.memory_info()[0]
    for width in widths[:40]:
        session.read(lines_of(rng, 2, width), width)
    assert plan.cuda.memory_info()[0] > free - TOLERATED_BYTES
    session.close()
