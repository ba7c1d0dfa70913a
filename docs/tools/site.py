"""What the site needs beside the pages: files outside of `docs` that they link to, the messages.

MkDocs calls `on_files` and `on_page_markdown`; see mkdocs.yml.
"""

from __future__ import annotations

import importlib.util
import posixpath
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ERRORS = "<!-- the messages of all errors -->"
_LINK = re.compile(r"""(?:(?<=\]\()|(?<=src="))([^)\s#"]+)((?:#[^)\s"]*)?)(?=[)"])""")
_PAGES = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "containers/README.md": "containers.md",
}
"""Pages that stand elsewhere in the project -> their place on the site."""


def place_of(file: Path) -> str:
    """Return where a file of the project stands on the site."""
    name = file.relative_to(ROOT).as_posix()
    if name.startswith("docs/"):
        return name.removeprefix("docs/")
    return _PAGES.get(name, f"files/{name}")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that stand elsewhere, and every file outside of `docs` that a page links to."""
    from mkdocs.structure.files import File

    wanted = [ROOT / name for name in _PAGES]
    pages = [*wanted, *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for link, _ in _LINK.findall(page.read_text(encoding="utf-8")):
            target = (page.parent / link).resolve()
            if "://" not in link and target.is_file() and target.is_relative_to(ROOT):
                wanted.append(target)
                if target.suffix == ".md" and target not in pages:
                    pages.append(target)
    for file in dict.fromkeys(wanted):
        place = place_of(file)
        if files.get_file_from_path(place) is None:
            files.append(File.generated(config, place, abs_src_path=str(file)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Lead links to where their files stand on the site, and put the messages in."""
    source = Path(page.file.abs_src_path)
    here = posixpath.dirname(page.file.src_uri)

    def led(found: re.Match[str]) -> str:
        link, anchor = found.groups()
        target = (source.parent / link).resolve()
        if "://" in link or not target.exists() or not target.is_relative_to(ROOT):
            return found[0]
        return posixpath.relpath(place_of(target), here or ".") + anchor

    text = _LINK.sub(led, markdown)
    return text.replace(ERRORS, _messages()) if ERRORS in text else text


def _messages() -> str:
    """Return the messages of all errors as Markdown."""
    file = Path(__file__).with_name("errors.py")
    spec = importlib.util.spec_from_file_location("errors", file)
    assert spec is not None and spec.loader is not None
    errors = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(errors)
    return "\n\n".join(errors.table(heading) for heading in errors.CHAPTERS)
