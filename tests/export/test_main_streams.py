"""Commands whose standard streams are closed, full, or left by their reader."""

import subprocess
import sys
from pathlib import Path

import pytest

LATIN = "models/latin/student.onnx"


def _shell(line, *arguments, **variables):
    """Run a line of bash in which `$0` is Python; status, stdout and stderr."""
    done = subprocess.run(
        ["bash", "-c", line, sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=None if not variables else {"PATH": "/usr/bin:/bin", **variables},
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("streams", "status"),
    [
        (">&-", 0),
        ("2>&-", 0),
        ("<&-", 0),
        ("<&- >&- 2>&-", 0),
        ("2>/dev/full", 0),
        (">/dev/full", 2),
        (">/dev/full 2>/dev/full", 2),
    ],
)
def test_a_command_ends_as_it_would(streams, status):
    got, out, err = _shell(f'"$0" -m export inspect {LATIN} {streams}')
    assert got == status
    assert "Traceback" not in err
    if streams == ">/dev/full":
        assert err == (
            "export: the result cannot be printed: No space left on device; expected a standard "
            "output that can be written; every file is in its place\n"
        )
    if streams == "2>&-":
        assert "opset" in out


def test_a_reader_that_leaves_is_no_failure():
    line = f'"$0" -m export inspect {LATIN} | head -c 1; echo " ${{PIPESTATUS[0]}}"'
    _, out, err = _shell(f"set -o pipefail; {line}")
    assert (out.split()[-1], err) == ("0", "")


def test_characters_that_the_output_lacks_are_escaped():
    got, out, err = _shell(f'"$0" -m export inspect {LATIN}', PYTHONIOENCODING="ascii")
    assert (got, err) == (0, "")
    assert "\\xe9" in out


def test_an_error_without_a_place_to_say_it_keeps_its_status():
    for streams in ("2>&-", "2>/dev/full", ">&- 2>&-"):
        assert _shell(f'"$0" -m export inspect nothing.onnx {streams}')[0] == 2


@pytest.mark.parametrize("streams", ["<&- >&- 2>&-", "2>/dev/full | true"])
def test_a_whole_export_without_streams(small_config, checkpoint, tmp_path: Path, streams):
    line = (
        '"$0" -m export convert -c "$1" --checkpoint "$2" --output-dir "$3" --images images '
        f'{streams}; exit "${{PIPESTATUS[0]}}"'
    )
    got, _, err = _shell(line, small_config.path, checkpoint, tmp_path)
    assert got == 0, err
    assert [file.name for file in tmp_path.iterdir()] == ["student.onnx"]
