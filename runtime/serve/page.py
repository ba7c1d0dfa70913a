"""The page at `/`: a single file that loads nothing else, and a policy that allows nothing else."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

_SITE = Path(__file__).with_name("site")
_FILES = {"style": ("style.css",), "script": ("common.js", "lines.js", "pages.js", "main.js")}


@cache
def page_and_policy() -> tuple[str, str]:
    """Return the page, and a Content-Security-Policy that allows only its own script and style."""
    text, hashes = _text_of("index.html"), {}
    for tag, names in _FILES.items():
        content = "\n".join(map(_text_of, names))
        before, behind = text.split(f"<{tag}></{tag}>")
        text = f"{before}<{tag}>{content}</{tag}>{behind}"
        hashes[tag] = _hash_of(content)
    policy = (
        f"default-src 'none'; script-src {hashes['script']}; style-src {hashes['style']}; "
        "img-src blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return text, policy


def _text_of(name: str) -> str:
    return (_SITE / name).read_text(encoding="utf-8")


def _hash_of(content: str) -> str:
    """Return the policy's hash of the content of an element."""
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    return f"'sha256-{digest}'"
