"""OCRmyPDF itself reads with this engine, in its own process, with one option more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runtime.images.pdf import pages as pdf_pages
from runtime.images.pdf.pages import look_at_page
from runtime.images.pdf.source import PdfPage
from tests.runtime.images.pdf import odd_files

ROOT = Path(__file__).parents[3]
RUN = """
import sys
from types import ModuleType
from tests.runtime.infer.pages.reading import BarReader
module = ModuleType("runtime.pages.reader")
module.PageReader = BarReader
sys.modules["runtime.pages.reader"] = module
from ocrmypdf.__main__ import run
sys.exit(run())
"""
MODELS = ("--distilrec-detector", __file__, "--distilrec-model", __file__)


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    pytest.importorskip("ocrmypdf", reason="OCRmyPDF is what the plug-in is for")
    path = tmp_path / "scan.pdf"
    path.write_bytes(odd_files.scan((300, 200), height=400, width=600))
    return path


def ocrmypdf(*arguments: object) -> subprocess.CompletedProcess[str]:
    plugin = ("--plugin", "runtime.pages.ocrmypdf_plugin", "--jobs", "1", "--output-type", "pdf")
    words = [sys.executable, "-c", RUN, *plugin, *map(str, arguments)]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("renderer", ["auto", "fpdf2"])
def test_a_scan_becomes_searchable(scan: Path, tmp_path: Path, renderer: str) -> None:
    output, sidecar = tmp_path / "out.pdf", tmp_path / "out.txt"
    options = ("--pdf-renderer", renderer, "--sidecar", sidecar)
    done = ocrmypdf(*options, *MODELS, scan, output)
    assert done.returncode == 0, done.stderr
    look = look_at_page(PdfPage(str(output), 0, px_per_inch=144), 2**24)
    pdf_pages._viewers.end_all()
    (line,) = look.lines
    assert [word.text for word in line] == ["bar", "1"] and look.is_hidden
    left, top = line[0].points[0]
    assert (left, top) == pytest.approx((66, 66), abs=12 if renderer == "fpdf2" else 3)
    assert sidecar.read_text().strip() == "bar 1"


def test_a_detector_that_is_named_nowhere_is_asked_for(scan: Path, tmp_path: Path) -> None:
    if (ROOT / "models" / "lines" / "detector.onnx").is_file():
        pytest.skip("a detector comes along")
    done = ocrmypdf(scan, tmp_path / "out.pdf")
    assert done.returncode == 1
    assert "name models with --distilrec-detector" in done.stderr


def test_the_plug_in_is_imported_without_ocrmypdf() -> None:
    code = (
        "import sys; sys.modules['ocrmypdf'] = None; "
        "import runtime.pages.ocrmypdf_plugin as plugin; print(plugin._Engine())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("distilrec ")
