"""Whatever is sent: an answer of the 200s or 400s with a reason, never a 500, never a hang."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

from tests.runtime.serve.conftest import Serve

httpx = pytest.importorskip("httpx")
PIXELS = 2**20
EXAMPLES = (3, pytest.param(12, marks=pytest.mark.slow))
CHECKED = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
]


def is_sound(answer: Any) -> bool:
    if answer.status_code == 200:
        return bool(answer.json())
    return 400 <= answer.status_code < 500 and bool(answer.json()["error"])


@pytest.mark.parametrize("examples", EXAMPLES)
@pytest.mark.parametrize("mode", ["POSITIVE", "NEGATIVE"])
def test_the_openapi_description_holds(serve: Serve, mode: str, examples: int) -> None:
    """Requests that fit the description, and that do not; every answer is one it names."""
    schemathesis = pytest.importorskip("schemathesis", reason="pip install schemathesis")
    from schemathesis.checks import CHECKS, load_all_checks

    load_all_checks()
    checks = CHECKS.get_by_names(CHECKED)
    served = serve({"pixels": PIXELS, "body_bytes": 2**16})
    schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    rng, num_cases = random.Random(3), 0
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode[mode]))
        def hold(case: Any) -> None:
            nonlocal num_cases
            num_cases += 1
            if "name" in case.path_parameters and rng.random() < 0.7:
                case.path_parameters["name"] = "toy"
            case.call_and_validate(checks=checks, timeout=30)

        with contextlib.suppress(Unsatisfiable):  # nothing is wrong with a path without parameters
            hold()
    assert num_cases > 3 * examples
    assert served.service.gate.num_images == 0


def damaged_files() -> list[bytes]:
    from tests.runtime.images.test_damaged_images import FORMATS

    rng = random.Random(5)
    files = [
        b"",
        b"\0",
        b"BM",
        b"II*\0",
        b"RIFF\0\0\0\0WEBPVP8X",
        b"P5 1 1",
        b"GIF89a" + b"\xff" * 50,
    ]
    for data in filter(None, FORMATS.values()):
        files += [data[: rng.randrange(len(data))] for _ in range(6)]
        for _ in range(6):
            damaged = bytearray(data)
            for _ in range(4):
                damaged[rng.randrange(min(len(damaged), 200))] = rng.randrange(256)
            files.append(bytes(damaged))
    return files


def odd_files() -> list[bytes]:
    try:
        from tests.runtime.images import test_odd_images
    except pytest.skip.Exception:  # without pillow
        return []
    huge = [test_odd_images.grey_png(1, 1).replace(struct.pack(">II", 1, 1), size, 1) for size in (
        struct.pack(">II", 2**31 - 1, 2**31 - 1), struct.pack(">II", 0, 0)
    )]  # fmt: skip
    return [*test_odd_images.FORMATS.values(), *huge]


def test_odd_and_damaged_images_are_read_or_reported_one_by_one(serve: Serve) -> None:
    served = serve({"pixels": PIXELS})
    files = [*damaged_files(), *odd_files()]
    statuses = set()
    with httpx.Client(base_url=served.url, timeout=60) as client:
        for data in files:
            answer = client.post("/recognize", content=data)
            statuses.add(answer.status_code)
            assert is_sound(answer), (data[:40], answer.status_code)
        for group in (
            itertools.batched(files, 50) if hasattr(itertools, "batched") else [files[:50]]
        ):
            parts = [("image", ("x", data)) for data in group]
            answer = client.post("/recognize", files=parts)
            assert is_sound(answer) and len(answer.json()["results"]) == len(group)
    assert {200, 422} <= statuses


@settings(
    max_examples=150,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    content=st.binary(max_size=300),
    kind=st.sampled_from(
        [
            "image/png",
            "multipart/form-data; boundary=b",
            "multipart/form-data",
            "",
            "application/json",
        ]
    ),
    encoding=st.sampled_from([None, "gzip", "deflate", "x"]),
    json_bytes=st.sampled_from([None, "0", "5", "999999", "-1", "x"]),
)
def test_any_bytes_with_any_headers(
    web: Any, content: bytes, kind: str, encoding: str | None, json_bytes: str | None
) -> None:
    if kind.endswith("=b"):
        content = b"--b\r\n" + content.replace(b"\0", b"\r\n--b\r\n") + b"\r\n--b--\r\n"
    headers = {
        "Content-Type": kind,
        **({"Content-Encoding": encoding} if encoding else {}),
        **({"Inference-Header-Content-Length": json_bytes} if json_bytes else {}),
    }
    for path in ("/recognize", "/v2/models/toy/infer"):
        assert is_sound(web.post(path, content=content, headers=headers))


@pytest.fixture
def web(serve: Serve) -> Any:
    return httpx.Client(base_url=serve({"pixels": PIXELS}).url, timeout=30)


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"inputs": None},
        {"inputs": [{}]},
        {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [0], "data": []}]},
        {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": ["AA=="]}]},
        {"inputs": [], "outputs": 7},
        {"inputs": [], "outputs": [7]},
        {"inputs": [], "outputs": 0},
        {"inputs": [], "outputs": [{"name": "text"}, {"name": "text"}]},
        {"inputs": [], "outputs": [{"name": ["text"]}]},
        {"inputs": [], "outputs": [{"name": "text", "parameters": {"binary_data": 1}}]},
        {"inputs": [], "parameters": {"binary_data_output": "yes"}},
        {"inputs": [], "id": 7},
        {"inputs": [], "id": "a" * 1001},
        {"parameters": 5, "inputs": []},
        [],
        7,
    ],
)
def test_inferences_that_make_no_sense(web: Any, message: Any) -> None:
    answer = web.post("/v2/models/toy/infer", content=json.dumps(message))
    assert 400 <= answer.status_code < 500 and answer.json()["error"]
