"""The page at `/`: a single file that loads nothing else, and a policy that allows nothing else."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

_PAGE = Path(__file__).with_name("page.html")


@cache
def page_and_policy() -> tuple[str, str]:
    """Return the page, and a Content-Security-Policy that allows only its own script and style."""
    text = _PAGE.read_text(encoding="utf-8")
    hashes = {tag: _hash_within(tag, text) for tag in ("script", "style")}
    policy = (
        f"default-src 'none'; script-src {hashes['script']}; style-src {hashes['style']}; "
        "img-src blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return text, policy


def _hash_within(tag: str, text: str) -> str:
    """Return the policy's hash of the content of the page's only element of this tag."""
    (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    return f"'sha256-{digest}'"
