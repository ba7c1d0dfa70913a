from __future__ import annotations

from pathlib import Path

import pytest

from runtime.detection.model.default import default_detector
from runtime.errors import ArtifactError
from runtime.serve.arguments import parse_arguments


def test_what_is_not_said_has_a_default_that_stays_on_this_machine() -> None:
    got = parse_arguments(["--model", "a.onnx"])
    assert (got.host, got.port, got.model) == ("127.0.0.1", 8000, Path("a.onnx"))
    assert (got.max_body, got.max_queue_bytes, got.max_pixels) == (2**24, 2**28, 2**23)
    assert (got.connections, got.connections_per_client, got.allowed_hosts) == (512, 384, [])
    assert (got.queue, got.max_images, got.time_limit, got.replicas) == (128, 64, 30.0, None)


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        ("--max-body", "3k", 3 * 1024),
        ("--max-body", "2G", 2**31),
        ("--max-pixels", "1000", 1000),
        ("--time-limit", "0.5", 0.5),
        ("--max-wait-ms", "0", 0.0),
        ("--port", "0", 0),
        ("--connections-per-client", "0", 0),
        ("--connections", "7", 7),
    ],
)
def test_numbers(option: str, text: str, value: float) -> None:
    name = option.removeprefix("--").replace("-", "_")
    assert getattr(parse_arguments(["--model", "a.onnx", option, text]), name) == value


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--port", "-1"),
        ("--port", "65536"),
        ("--queue", "0"),
        ("--connections", "0"),
        ("--connections-per-client", "-1"),
        ("--queue", "²"),
        ("--replicas", "1.5"),
        ("--max-body", "0"),
        ("--max-body", "1T"),
        ("--max-wait-ms", "-1"),
        ("--time-limit", "inf"),
        ("--device", "tpu"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    option: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        parse_arguments(["--model", "a.onnx", f"{option}={text}"])
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("serve: ") and option in said and said.count("\n") == 1


def test_pages_have_limits_of_their_own_and_a_name_that_no_model_may_have(
    capsys: pytest.CaptureFixture[str],
) -> None:
    got = parse_arguments(["--model", "a.onnx", "--detector", "d.onnx", "--max-page-pixels", "1M"])
    assert (got.detector, got.max_page_pixels) == (Path("d.onnx"), 2**20)
    assert (got.max_pages, got.page_queue, got.page_time_limit) == (64, 128, 120.0)
    lines = parse_arguments(["--model", "a.onnx", "--name", "pages", "--lines-only"])
    assert lines.detector is None and lines.no_pages is not None
    with pytest.raises(SystemExit):
        parse_arguments(["--model", "a.onnx", "--detector", "d.onnx", "--name", "pages"])
    assert "--name" in capsys.readouterr().err


def test_the_detector_that_comes_along_is_taken_where_none_is_named() -> None:
    got = parse_arguments(["--model", "a.onnx"])
    assert got.detector == default_detector() and got.is_own_detector and got.no_pages is None
    named = parse_arguments(["--model", "a.onnx", "--detector", "d.onnx"])
    assert named.detector == Path("d.onnx") and not named.is_own_detector


@pytest.mark.parametrize(
    ("options", "reason"),
    [(["--lines-only"], "--lines-only"), (["--ray-address", "head:6379"], "--detector FILE")],
)
def test_a_service_without_pages_knows_why(options: list[str], reason: str) -> None:
    got = parse_arguments(["--model", "a.onnx", *options])
    assert got.detector is None and reason in got.no_pages


def test_a_detector_that_is_not_there_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> Path:
        raise ArtifactError("it is gone")

    monkeypatch.setattr("runtime.serve.arguments.default_detector", absent)
    got = parse_arguments(["--model", "a.onnx"])
    assert (got.detector, got.no_pages) == (None, "it is gone")


def test_a_detector_for_lines_alone_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(["--model", "a.onnx", "--detector", "d.onnx", "--lines-only"])
    assert "--lines-only" in capsys.readouterr().err
