"""The site is built from docs, strictly: a link that leads nowhere fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_site_is_built(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="the site is made with it")
    pytest.importorskip("material", reason="the site looks as it does by mkdocs-material")
    pytest.importorskip("mkdocstrings", reason="it makes the site's reference")
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    page = (tmp_path / "troubleshooting.html").read_text(encoding="utf-8")
    assert "no image was given" in page and "the messages of all errors" not in page
    assert "alternatives" in (tmp_path / "reference" / "python.html").read_text(encoding="utf-8")
    for place in ("index.html", "architecture.html", "changelog.html", "containers.html"):
        assert (tmp_path / place).is_file()
    assert not (tmp_path / "tools").exists()
    assert (tmp_path / "files" / "benchmarks" / "results" / "service_soak.json").is_file()


def test_every_page_of_docs_is_in_the_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        assert page.relative_to(ROOT / "docs").as_posix() in menu
