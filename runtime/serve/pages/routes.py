# Not `from __future__ import annotations`: FastAPI must see the types that are imported late.
"""The route that reads pages."""

from typing import TYPE_CHECKING, Any

from runtime.recognition.record import described_object
from runtime.serve.bounds.body import Body, NamedBytes, check_kind, images_of_body
from runtime.serve.bounds.refusal import Refusal
from runtime.serve.detail import OF_PAGES
from runtime.serve.pages.answer import answer_of
from runtime.serve.pages.wish import FORMATS, OTHER_NAMES, PDF_WAYS, PageWish, options_of, wish_of
from runtime.serve.schemas import IMAGES_BODY, answers

if TYPE_CHECKING:
    from fastapi import APIRouter

    from runtime.serve.service import Service

_STATUSES = (400, 401, 404, 408, 413, 415, 422, 429, 500, 504)
_TEXT: dict[str, Any] = {"type": "string"}
_PAGES = described_object(model=_TEXT, results={"type": "array", "items": {"type": "object"}})
_QUERY: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("format", {"enum": [*FORMATS, *OTHER_NAMES]}, "of the answer"),
    ("pages", _TEXT, "of a file, e.g. 2, 1-3 or 1-3,7,9-"),
    ("min_confidence", {"type": "number", "minimum": 0, "maximum": 1}, "of the lines that stay"),
    ("pdf", {"enum": list(PDF_WAYS)}, "whether the text in a PDF file or its picture is read"),
    ("detail", {"enum": list(OF_PAGES)}, "of a record: lines without words, or the text alone"),
    ("picture", {"enum": ["0", "1"]}, "whether a record holds the page's picture as well"),
)


def add_pages(closed: "APIRouter", service: "Service") -> None:
    """Add the route.

    Args:
        closed: takes the routes that need the key.
        service: answers it.
    """
    from fastapi import Request, Response

    described = {
        "requestBody": IMAGES_BODY,
        "parameters": [
            {"name": name, "in": "query", "schema": schema, "description": what}
            for name, schema, what in _QUERY
        ],
    }

    @closed.post("/read", openapi_extra=described, responses=answers(_PAGES, *_STATUSES))
    async def read(request: Request) -> Response:
        """Read pages: files of a form, or the bytes of one, images and PDF files.

        A page that cannot be read has its `error` set; if none can, the status is 422.
        """
        pages = service.pages
        if pages is None:
            raise Refusal(
                404,
                "no pages are read here: expected a service that was started with a detector, "
                "without --lines-only; lines are read by /recognize",
            )
        wish = wish_of(options_of(request.query_params.multi_items()))
        check_kind(request)

        def files_of(body: Body) -> tuple[list[NamedBytes], PageWish]:
            return images_of_body(body, pages.limits), wish

        documents, _ = await pages.answer(request, files_of)
        body, status, media_type, headers = await pages.in_thread(
            lambda: answer_of(documents, wish.form, service.name)
        )
        return Response(body, status, headers, media_type)
