"""The pages at `/` and `/docs`: single files that load nothing else, each with a policy for it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

_SITE = Path(__file__).with_name("site")
_FILES = {"style": ("style.css",), "script": ("common.js", "lines.js", "pages.js", "main.js")}


_OF_ROUTES = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 52rem; padding: 0 1rem }
h2 { font: 600 1.1rem ui-monospace, monospace; margin: 2rem 0 0 }
td { padding: 0 1.5rem 0 0; vertical-align: top }
"""


def routes_and_policy(schema: Mapping[str, Any]) -> tuple[str, str]:
    """Return a page of all routes, and its Content-Security-Policy.

    Args:
        schema: OpenAPI's, as the service describes itself.
    """
    routes = [
        section
        for path, methods in schema["paths"].items()
        for method, route in methods.items()
        for section in _section_of(f"{method.upper()} {path}", route)
    ]
    text = "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>distilrec: what can be asked</title><style>{_OF_ROUTES}</style></head><body>",
            "<h1>What can be asked</h1>",
            "<p>A key, where the service asks for one, is sent as <code>Authorization: Bearer "
            "KEY</code> or <code>X-API-Key: KEY</code>. The same for programs: "
            '<a href="openapi.json">openapi.json</a>. To try it: <a href="./">the page</a>.</p>',
            *routes,
            "</body></html>",
        ]
    )
    policy = f"default-src 'none'; style-src {_hash_of(_OF_ROUTES)}; base-uri 'none'"
    return text, f"{policy}; form-action 'none'; frame-ancestors 'none'"


def _section_of(title: str, route: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a route does, takes and answers, as HTML."""
    yield f"<h2>{escape(title)}</h2>"
    paragraphs = route.get("description", "").split("\n\n")
    yield "".join(f"<p>{escape(paragraph)}</p>" for paragraph in paragraphs if paragraph)
    rows = []
    if "requestBody" in route:
        rows.append(("body", ", ".join(route["requestBody"]["content"])))
    for parameter in route.get("parameters", ()):
        values = " | ".join(parameter["schema"].get("enum", ()))
        told = "; ".join(filter(None, [parameter.get("description"), values]))
        rows.append((parameter["name"], told))
    rows.append(("status", ", ".join(sorted(route["responses"]))))
    cells = (f"<tr><td><code>{escape(a)}</code></td><td>{escape(b)}</td></tr>" for a, b in rows)
    yield f"<table>{''.join(cells)}</table>"


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
