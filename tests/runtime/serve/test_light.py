"""The service in one process reads as any other, drains, and reads its keys again."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

from benchmarks.service.process import ServiceProcess
from runtime.errors import OcrError
from runtime.serve.arguments import parse_arguments
from runtime.serve.light import LightBackend
from runtime.serve.replicas import open_model
from runtime.serve.settings import ReaderOptions

web = pytest.importorskip("httpx")


def test_it_serves_drains_and_takes_new_keys(
    toy_file: Path, tmp_path: Path, line_files: list[bytes], expected_texts: list[str]
) -> None:
    keys = tmp_path / "keys"
    keys.write_text("the first key\n")
    options = ["--light", "--lines-only", "--drain", "1", "--api-key-file", str(keys)]
    with ServiceProcess(toy_file, tmp_path / "log", options) as service:

        def status(key: str) -> int:
            answer = web.post(
                f"{service.url}/recognize?detail=text",
                content=line_files[0],
                headers={"X-API-Key": key},
            )
            if answer.status_code == 200:
                assert answer.json()["results"][0]["text"] == expected_texts[0]
            return int(answer.status_code)

        assert (status("the first key"), status("the second key")) == (200, 401)
        assert len(service.family_pids()) == 1
        keys.write_text("the second key\nthe first key\n")
        service.process.send_signal(signal.SIGHUP)
        until = time.monotonic() + 10
        while "2 API key(s) read again" not in service.log and time.monotonic() < until:
            time.sleep(0.02)
        assert (status("the first key"), status("the second key")) == (200, 200)
        keys.write_text("short")
        service.process.send_signal(signal.SIGHUP)
        while "the API keys stay as they were" not in service.log and time.monotonic() < until:
            time.sleep(0.02)
        assert status("the second key") == 200
        service.process.send_signal(signal.SIGTERM)
        while web.get(f"{service.url}/ready").status_code == 200 and time.monotonic() < until:
            time.sleep(0.02)
        assert status("the second key") == 200
        assert service.process.wait(20) == 0
    assert service.log.endswith("ended: what was accepted has been answered\n")


def test_a_hang_up_without_keys_ends_it(toy_file: Path, tmp_path: Path) -> None:
    with ServiceProcess(toy_file, tmp_path / "log", ["--light", "--lines-only"]) as service:
        assert web.get(f"{service.url}/ready").status_code == 200
        service.process.send_signal(signal.SIGHUP)
        assert service.process.wait(20) == 0


def test_what_is_missing_is_told(toy_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastapi", None)
    model = open_model(ReaderOptions(toy_file))
    with pytest.raises(OcrError, match=r"distilrec\[light\]"), LightBackend(model):
        pass


@pytest.mark.parametrize("other", [["--replicas", "2"], ["--ray-address", "auto"]])
def test_it_has_no_replicas(other: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(["--light", *other])
    assert "--light reads in one process" in capsys.readouterr().err
