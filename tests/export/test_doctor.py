"""What is installed, with distributions made for the test."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from export import doctor
from export.doctor import Finding, examine, find, hint
from export.packages import MODULES, OPENCV, STEPS, TESTED, Step

OPEN = Step("do it", "export", ("needed",))


class Shelf:
    """A folder of distributions that this process and its children can import."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, name: str, version: str = "1.0", module: str = "") -> None:
        """A distribution whose module, of the same name, holds the code `module`."""
        info = self.folder / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (self.folder / f"{name}.py").write_text(module)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    return Shelf(tmp_path)


@pytest.fixture
def accepts(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    accepted: dict[str, str] = {}
    monkeypatch.setattr(doctor, "_accepted", lambda: accepted)
    return accepted


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> dict[str, Step]:
    made: dict[str, Step] = {"convert": OPEN}
    monkeypatch.setattr(doctor, "STEPS", made)
    return made


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `nvidia-smi` is looked for; nowhere else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin" if not _real_smi() else str(folder))
    return folder / "nvidia-smi"


def _real_smi() -> bool:
    return any(Path(folder, "nvidia-smi").exists() for folder in ("/bin", "/usr/bin"))


def test_a_package_that_is_not_there() -> None:
    finding = find("surely-not-a-package", is_imported=True)
    assert (finding.version, finding.problem) == (None, "not installed")
    assert "not installed" in str(finding) and "NO" not in str(finding)


def test_a_version_outside_what_is_accepted(shelf: Shelf, accepts: dict[str, str]) -> None:
    shelf.put("needed", "2.0")
    for accepted, problem in (
        ("==1.17.0", "expected ==1.17.0"),
        ("<2,>=1", "expected <2,>=1"),
        (">=2", ""),
        ("", ""),
    ):
        accepts["needed"] = accepted
        assert find("needed").problem == problem


def test_a_pre_release_is_a_version_too(shelf: Shelf, accepts: dict[str, str]) -> None:
    shelf.put("needed", "2.1.0rc1")
    accepts["needed"] = ">=2.0"
    assert find("needed").problem == ""


@pytest.mark.parametrize(
    ("module", "problem"),
    [
        ("", ""),
        ("print('hello')", ""),
        ("raise ImportError('libcudart.so.13: no such file')", "ImportError: libcudart.so.13"),
        ("import os; os.kill(os.getpid(), 11)", "ended by signal 11"),
        ("raise SystemExit(4)", "status 4"),
    ],
)
def test_an_import_that_fails_or_crashes(shelf: Shelf, module: str, problem: str) -> None:
    shelf.put("needed", module=module)
    told = find("needed", is_imported=True)
    assert (problem in told.problem) if problem else not told.problem
    assert find("needed").problem == ""


def test_a_package_is_imported_by_its_modules_name(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.put("needed", module="raise ImportError('the wrong one')")
    (shelf.folder / "other.py").write_text("")
    monkeypatch.setitem(MODULES, "needed", "other")
    assert find("needed", is_imported=True).problem == ""


@pytest.mark.parametrize("package", ["opencv-python-headless", "opencv-contrib-python"])
def test_opencv_below_the_floor_is_told_whatever_package_brings_it(
    shelf: Shelf, accepts: dict[str, str], package: str
) -> None:
    accepts["opencv-python-headless"] = ">=4.13"
    shelf.put(package.replace("-", "_"), "4.10.0.84")
    assert find(package).problem == "expected >=4.13"
    assert MODULES[package] == "cv2"


def test_opencv_is_held_against_this_projects_own_floor() -> None:
    accepted = find("opencv-python-headless").accepted
    assert accepted.startswith(">=")
    assert str(OPENCV) in repr(STEPS["images"].needs)


def test_stand_ins_that_are_missing_are_no_news(
    shelf: Shelf, steps: dict[str, Step], smi: Path
) -> None:
    steps["convert"] = Step("do it", "cpu", (("surely-not-a-package", "needed"),))
    assert "surely-not-a-package" in examine()[0]
    shelf.put("needed")
    assert "surely-not-a-package" not in examine()[0]


@pytest.mark.parametrize(
    ("value", "told"), [("1", "telemetry: off"), ("0", "telemetry: not switched off")]
)
def test_the_report_says_whether_onnxruntime_reports_its_use(
    steps: dict[str, Step], smi: Path, monkeypatch: pytest.MonkeyPatch, value: str, told: str
) -> None:
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", value)
    assert told in examine()[0]


def test_a_row_tells_package_version_and_what_is_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TESTED, "needed", "1.2")
    fine = str(Finding("needed", "1.2", "", ""))
    assert re.fullmatch(r"  ok needed +1\.2 +tested 1\.2", fine)
    bad = str(Finding("needed", "1.0", "==1.2", "expected ==1.2"))
    assert re.fullmatch(r"  NO needed +1\.0 +tested 1\.2 +expected ==1\.2", bad)


def test_a_hint_is_silent_when_all_is_well_and_else_ends_in_the_command(
    shelf: Shelf, accepts: dict[str, str], steps: dict[str, Step]
) -> None:
    assert hint("convert") == (". Doctor: needed: not installed; pip install 'distilrec[export]'")
    shelf.put("needed", "2.0")
    assert hint("convert") == ""
    accepts["needed"] = "==1.0"
    assert hint("convert") == (
        ". Doctor: needed 2.0: expected ==1.0; pip install 'distilrec[export]'"
    )


def test_one_of_several_is_enough(shelf: Shelf, steps: dict[str, Step]) -> None:
    steps["convert"] = Step("do it", "cpu", (("surely-not-a-package", "needed"),))
    assert "surely-not-a-package" in hint("convert")
    shelf.put("needed")
    assert hint("convert") == ""


def test_the_report_of_an_open_road(shelf: Shelf, steps: dict[str, Step], smi: Path) -> None:
    shelf.put("needed")
    report, is_open = examine()
    assert is_open
    assert "convert: do it: ready" in report.splitlines()
    assert "none found" in report and sys.prefix in report


def test_the_report_of_a_closed_road_names_the_command(
    shelf: Shelf, steps: dict[str, Step], smi: Path
) -> None:
    shelf.put("needed", module="raise ImportError('broken')")
    report, is_open = examine()
    assert not is_open
    assert "convert: do it: pip install 'distilrec[export]'" in report.splitlines()
    assert "ImportError: broken" in report


def test_what_is_optional_closes_no_road(shelf: Shelf, steps: dict[str, Step], smi: Path) -> None:
    steps["convert"] = Step("do it", "export", ("needed",), is_optional=True)
    report, is_open = examine()
    assert is_open
    assert "pip install" in report


def test_a_package_of_two_steps_is_imported_once(
    shelf: Shelf, steps: dict[str, Step], smi: Path
) -> None:
    log = shelf.folder / "log"
    shelf.put("needed", module=f"open({str(log)!r}, 'a').write('imported\\n')")
    steps["verify"] = Step("again", "cpu", ("needed",))
    examine()
    assert log.read_text() == "imported\n"


@pytest.mark.parametrize("end", ["", "raise ImportError('broken')"])
def test_what_another_package_imports_well_is_not_imported_again(
    shelf: Shelf, steps: dict[str, Step], monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    log = shelf.folder / "log"
    shelf.put("needed", module=f"open({str(log)!r}, 'a').write('imported\\n')")
    shelf.put("brings", module=f"import needed\n{end}")
    monkeypatch.setattr(doctor, "_BRINGERS", ("brings",))
    steps["convert"] = Step("do it", "export", ("needed", "brings"))
    report, is_open = examine()
    assert is_open == (not end) and "ok needed" in report
    assert ("NO brings" in report) == bool(end)
    assert log.read_text().count("imported") == (2 if end else 1)


def test_packages_are_imported_side_by_side(shelf: Shelf, steps: dict[str, Step]) -> None:
    start = "import pathlib, time\nend = time.monotonic() + 30\n"
    start += f"here = pathlib.Path({str(shelf.folder)!r})\n"
    for own, peer in (("first", "second"), ("second", "first")):
        waits = f"while not (here / {peer!r}).exists(): assert time.monotonic() < end, 'alone'"
        shelf.put(own, module=f"{start}(here / {own!r}).touch()\n{waits}\n")
    steps["convert"] = Step("do it", "export", ("first", "second"))
    assert examine()[1]


@pytest.mark.parametrize(
    ("script", "gpu"),
    [
        ("echo 'NVIDIA H100, 580.1, 9.0'", "GPU: NVIDIA H100, 580.1, 9.0"),
        ("echo 'A, 1, 9.0'; echo 'B, 1, 8.0'", "GPU: A, 1, 9.0; B, 1, 8.0"),
        ("echo 'cannot talk to the driver'; exit 9", "GPU: none found"),
        ("exit 0", "GPU: none found"),
        (None, "GPU: none found"),
    ],
)
def test_the_gpu_is_told_or_engines_are_not_for_this_machine(
    shelf: Shelf, steps: dict[str, Step], smi: Path, script: str | None, gpu: str
) -> None:
    if script is not None:
        smi.write_text(f"#!/bin/sh\n{script}\n")
        smi.chmod(0o755)
    shelf.put("needed")
    steps["engine"] = OPEN
    report, _ = examine()
    assert report.splitlines()[1].startswith(gpu)
    is_ready = "engine: do it: ready" in report
    assert is_ready == ("none found" not in gpu)
    assert is_ready != ("which has no GPU" in report)


def test_the_versions_that_a_step_accepts_come_from_the_projects_metadata() -> None:
    for package in ("paddlepaddle", "paddle2onnx", "onnx"):
        finding = find(package)
        assert finding.accepted == f"=={TESTED[package]}"
        assert finding.problem == ""


def test_every_package_of_every_step_is_one_that_an_extra_brings() -> None:
    accepted = doctor._accepted()
    for step in STEPS.values():
        for need in step.needs:
            for package in (need,) if isinstance(need, str) or need == OPENCV else need:
                package = OPENCV[0] if need == OPENCV else package
                assert package in accepted, f"pip install brings no {package}"


def test_the_doctor_comes_where_nothing_is_installed(tmp_path: Path) -> None:
    """A bare interpreter: no extra, not even what reads requirements."""
    code = (
        "import sys\n"
        "for name in ('packaging', 'packaging.requirements', 'packaging.specifiers', 'paddle'):\n"
        "    sys.modules[name] = None\n"
        "import export.doctor as doctor\n"
        "print(doctor.hint('convert'))\n"
        "doctor.imported = lambda module: ('', {module})\n"
        "print(doctor.examine()[0])\n"
    )
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert child.returncode == 0, child.stderr
    assert "convert: convert to ONNX:" in child.stdout
