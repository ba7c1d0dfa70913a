"""Against the real TensorRT-RTX where it is installed, and against modules that lack something."""

from __future__ import annotations

import logging
import sys
import threading
from collections import deque
from types import ModuleType
from typing import Any

import pytest

from runtime.engines.tensorrt.library import TensorRtLog, load_tensorrt, log_of, require_driver
from runtime.errors import EngineError
from tests.fakes.cuda import FakeCuda
from tests.fakes.tensorrt import fake_tensorrt


def module(name: str, version: str | None) -> ModuleType:
    made = ModuleType(name)
    if version is not None:
        made.__version__ = version  # type: ignore[attr-defined]
    return made


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets what is installed: version by module name, None where it is missing."""

    def install(tensorrt: str | None = None, tensorrt_rtx: str | None = None) -> None:
        for name, version in (("tensorrt", tensorrt), ("tensorrt_rtx", tensorrt_rtx)):
            made = None if version is None else module(name, version)
            monkeypatch.setitem(sys.modules, name, made)

    return install


@pytest.mark.parametrize(
    ("backend", "versions", "expected"),
    [
        ("auto", {"tensorrt": "10.12.0", "tensorrt_rtx": "1.7.1"}, ("tensorrt", "10.12.0")),
        ("auto", {"tensorrt_rtx": "1.7.1.116"}, ("tensorrt_rtx", "1.7.1.116")),
        (
            "tensorrt-rtx",
            {"tensorrt": "11.4.1", "tensorrt_rtx": "1.7.1"},
            ("tensorrt_rtx", "1.7.1"),
        ),
        ("tensorrt", {"tensorrt": "11.4.1", "tensorrt_rtx": "1.7.1"}, ("tensorrt", "11.4.1")),
    ],
)
def test_the_backend_names_the_library(
    installed: Any, backend: str, versions: dict[str, str], expected: tuple[str, str]
) -> None:
    installed(**versions)
    library = load_tensorrt(backend)
    assert (library.name, library.version) == expected
    assert library.module is sys.modules[library.name]


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        ("auto", r"TensorRT is not installed: pip install 'distilrec\[tensorrt\]', or .*-rtx\]"),
        ("tensorrt", r"TensorRT is not installed: pip install 'distilrec\[tensorrt\]'"),
        ("tensorrt-rtx", r"TensorRT-RTX is not installed: pip install 'distilrec\[tensorrt-rtx\]'"),
    ],
)
def test_a_missing_library_names_the_extra(installed: Any, backend: str, said: str) -> None:
    installed()
    with pytest.raises(EngineError, match=said):
        load_tensorrt(backend)


def test_an_old_library_is_refused(installed: Any) -> None:
    installed(tensorrt="10.11.0.33")
    with pytest.raises(EngineError, match=r"expected 10\.12 or later, got 10\.11\.0\.33; pip"):
        load_tensorrt()


def test_an_empty_module_is_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", module("tensorrt", None))
    with pytest.raises(EngineError, match="holds no library"):
        load_tensorrt("tensorrt")


def test_a_library_whose_own_libraries_do_not_load_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """Wheels of the bindings load the libraries with ctypes, which raises OSError."""
    (tmp_path / "tensorrt.py").write_text("import ctypes\nctypes.CDLL('libno_such_nvinfer.so')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    with pytest.raises(EngineError, match=r"TensorRT is not installed: .*libno_such_nvinfer"):
        load_tensorrt("tensorrt")


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(EngineError, match="expected one of auto, tensorrt, tensorrt-rtx, got 'x'"):
        load_tensorrt("x")


@pytest.fixture
def rtx() -> Any:
    return pytest.importorskip("tensorrt_rtx", reason="the real logger is tested here")


def test_the_real_library_loads(rtx: Any) -> None:
    assert load_tensorrt("tensorrt-rtx").module is rtx


def test_what_the_real_library_says_is_kept(rtx: Any, caplog: pytest.LogCaptureFixture) -> None:
    log = TensorRtLog(rtx)
    before = log.mark()
    builder = rtx.Builder(log.logger)
    network = builder.create_network(0)
    with caplog.at_level(logging.WARNING):
        assert not rtx.OnnxParser(network, log.logger).parse(b"no model")
    assert "ONNX" in log.since(before)
    assert "TensorRT: " in caplog.text
    assert log.since(log.mark()) == ""


def test_errors_push_warnings_aside_and_long_texts_are_cut(rtx: Any) -> None:
    log = TensorRtLog(rtx)
    mark = log.mark()
    log.logger.log(rtx.ILogger.WARNING, "a\nwarning")
    assert log.since(mark) == "a warning"
    log.logger.log(rtx.ILogger.INFO, "only information")
    log.logger.log(rtx.ILogger.ERROR, "an error")
    log.logger.log(rtx.ILogger.INTERNAL_ERROR, "another")
    assert log.since(mark) == "an error | another"
    log.logger.log(rtx.ILogger.ERROR, "x" * 5000)
    assert len(log.since(mark)) < 1100


def test_a_host_without_a_driver_gets_one_sentence() -> None:
    runtime = pytest.importorskip("cuda.bindings.runtime")
    if int(runtime.cudaGetDeviceCount()[0]) == 0:
        pytest.skip("there is a driver, whose absence is tested here")
    with pytest.raises(EngineError, match="no NVIDIA GPU can be used here: expected a working"):
        require_driver()


@pytest.fixture
def log() -> TensorRtLog:
    """The log of a fake library."""
    return TensorRtLog(fake_tensorrt("11.4", FakeCuda()))


def say(log: TensorRtLog, severity: str, message: str) -> None:
    log.logger.log(getattr(type(log.logger), severity), message)


def test_chatter_does_not_push_errors_out(log: TensorRtLog) -> None:
    mark = log.mark()
    say(log, "ERROR", "the one that matters")
    for number in range(2000):
        say(log, "VERBOSE", f"chatter {number}")
    assert log.since(mark) == "the one that matters"


def test_a_destructor_that_logs_while_the_log_is_read_does_not_hang(
    log: TensorRtLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Garbage may be collected anywhere, and TensorRT's objects say something as they go."""

    class Collecting(deque[Any]):
        def __iter__(self) -> Any:
            say(log, "WARNING", "engine destroyed")
            return iter(list(super().__iter__()))

    monkeypatch.setattr(log, "_messages", Collecting(maxlen=10))
    reader = threading.Thread(target=lambda: log.since(0), daemon=True)
    reader.start()
    reader.join(10)
    assert not reader.is_alive()


def test_what_is_said_while_messages_are_chosen_does_no_harm(log: TensorRtLog) -> None:
    """Garbage collected in the middle speaks in this very thread."""

    class Level(int):
        def __le__(self, other: int) -> bool:
            say(log, "WARNING", "engine destroyed")
            return int(self) <= other

    say(log, "ERROR", "the one that matters")
    assert log.since(0, Level(logging.WARNING)) == "the one that matters"


def test_what_another_thread_met_is_left_out_where_this_one_met_something(
    log: TensorRtLog,
) -> None:
    mark = log.mark()
    other = threading.Thread(target=say, args=(log, "ERROR", "theirs"))
    other.start()
    other.join()
    assert log.since(mark) == "theirs"  # TensorRT may speak from a thread of its own
    say(log, "ERROR", "ours")
    assert log.since(mark) == "ours"


def test_a_library_has_one_log_per_process(caplog: pytest.LogCaptureFixture, rtx: Any) -> None:
    """TensorRT warns of every further logger, and goes on using the first."""
    assert log_of(rtx) is log_of(rtx)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            rtx.Builder(log_of(rtx).logger)
    assert "differs from one already registered" not in "".join(
        record.getMessage() for record in caplog.records[1:]
    )
