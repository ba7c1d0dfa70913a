"""Writes the answer to a request for pages, in the format that it wants."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from runtime.pages.formats.kinds import FORMATS
from runtime.serve.pages.service import ReadDocument

_FAILED_HEADER = "X-Failed-Pages"
_MEDIA = {"txt": "text/plain", "hocr": "text/html", "alto": "application/xml"}
_MOST_LISTED = 100
_POLICY = "default-src 'none'; sandbox"
"""A browser that is led here shows text that was read, and nothing else."""


class Answer(NamedTuple):
    """An answer over HTTP.

    Args:
        body: its bytes.
        status: 200, or 422 if no page could be read.
        media_type: of the body.
        headers: further ones.
    """

    body: bytes
    status: int
    media_type: str
    headers: dict[str, str]


def answer_of(documents: Sequence[ReadDocument], form: str, model: str) -> Answer:
    """Write the answer; if no page could be read it says why, in JSON, whatever is wanted.

    Args:
        documents: the files of the request.
        form: as `PageWish`.
        model: name of the service's model.
    """
    results = list(_results(documents, form))
    errors = [error for _, error in results]
    reason = None if None in errors else f"no page could be read: {errors[0]}"
    if form in _MEDIA and reason is None:
        return _whole(documents, form, errors)
    pieces = b",\n".join(content for content, _ in results)
    rest: dict[str, Any] = {"model": model}
    if reason is not None:
        rest["error"] = reason
    body = b'{"results": [%s], %s' % (pieces, _json(rest)[1:])
    return Answer(body, 200 if reason is None else 422, "application/json", {})


def pages_json(read: ReadDocument) -> str:
    """Write the records of a file's pages as a list."""
    return f"[{', '.join(reply.content for reply in read.replies)}]"


def _results(documents: Sequence[ReadDocument], form: str) -> Iterator[tuple[bytes, str | None]]:
    """Yield the result of each page as JSON, and its error."""
    for document, replies in documents:
        told = {"name": document.name, "num_pages": document.num_pages}
        for reply in replies:
            if form == "json":  # a record without its name: another object is put in front of it
                content = _json(told)[:-1] + b", " + reply.content.encode(errors="replace")[1:]
            elif form == "paddleocr":
                content = reply.content.encode(errors="replace")
            else:
                content = _json({**told, "error": reply.error})
            yield content, reply.error
        if not replies:
            yield _json({**told, "page": None, **_NOTHING, "error": document.error}), document.error


def _whole(documents: Sequence[ReadDocument], form: str, errors: Sequence[str | None]) -> Answer:
    """Write a file of all pages; the places of those that failed are told in a header."""
    kind = FORMATS[form]
    names = [document.name for document, _ in documents]
    parts = [kind.begin(names[0] if len(names) == 1 else None)]
    parts += [reply.content for _, replies in documents for reply in replies]
    parts.append(kind.end())
    failed = [str(place) for place, error in enumerate(errors, 1) if error is not None]
    headers = {"Content-Security-Policy": _POLICY}
    if failed:
        headers[_FAILED_HEADER] = ", ".join(failed[:_MOST_LISTED])
    body = "".join(parts).encode(errors="replace")
    return Answer(body, 200, _MEDIA[form], headers)


_NOTHING: dict[str, Any] = {
    "width_px": 0,
    "height_px": 0,
    "text": "",
    "lines": [],
    "columns": [],
    "warnings": [],
}


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode(errors="replace")
