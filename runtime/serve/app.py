# Not `from __future__ import annotations`: FastAPI must see the types that `build_app` imports.
"""The routes of a service, as a FastAPI application."""

import json
import logging
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import runtime
from runtime.errors import OcrError
from runtime.serve.bounds.access import check_key
from runtime.serve.bounds.body import check_kind, images_of_body
from runtime.serve.bounds.refusal import Refusal
from runtime.serve.detail import OF_LINES, short_line
from runtime.serve.page import page_and_policy, routes_and_policy
from runtime.serve.pages.protocol import page_models
from runtime.serve.pages.routes import add_pages
from runtime.serve.pages.wish import FORMATS, choice_of, options_of
from runtime.serve.protocol import add_protocol, line_model
from runtime.serve.schemas import ANY_OBJECT, IMAGES_BODY, READING, answers
from runtime.serve.service import Service

if TYPE_CHECKING:
    from fastapi import FastAPI

_READING = (400, 401, 408, 413, 415, 422, 429, 500, 504)
_CLIENT_WENT_AWAY = 400
_FEW_CHARACTERS = 1000
"""Characters of an answer that is written in less than a millisecond."""

_DETAIL = {
    "name": "detail",
    "in": "query",
    "schema": {"enum": list(OF_LINES)},
    "description": "of a record: text leaves out characters, words and sizes",
}

_log = logging.getLogger(__name__)


def build_app(service: Service) -> "FastAPI":
    """Build the application with all routes of a service.

    Args:
        service: answers them.
    """
    from fastapi import APIRouter, Depends, FastAPI, Request, Response
    from fastapi.responses import HTMLResponse, JSONResponse

    async def shows_key(request: Request) -> None:
        check_key(request, service.keys)

    app = FastAPI(
        title="distilrec",
        description="Reads images of text lines, and whole pages where a detector is there.",
        version=runtime.__version__,
        docs_url=None,  # FastAPI's pages would load scripts from other sites
        redoc_url=None,
    )
    closed = APIRouter(dependencies=[Depends(shows_key)])
    described = _json(_description(service))  # once: a charset is thousands of characters

    @app.get("/", response_class=HTMLResponse)
    async def page() -> Response:
        """Return a page to try the service with."""
        text, policy = page_and_policy()
        return HTMLResponse(text, headers={"Content-Security-Policy": policy})

    @app.get("/docs", include_in_schema=False)
    async def routes() -> Response:
        """Return a page of all routes."""
        text, policy = routes_and_policy(app.openapi())
        return HTMLResponse(text, headers={"Content-Security-Policy": policy})

    @app.get("/health", responses=answers(ANY_OBJECT))
    async def health() -> Response:
        """Tell whether the process answers."""
        return JSONResponse({"status": "alive"})

    @app.get("/ready", responses=answers(ANY_OBJECT, 503))
    async def ready() -> Response:
        """Tell whether images can be read."""
        if not await service.is_ready():
            reason = "it is ending" if service.is_draining else "no replica is ready"
            raise Refusal(503, reason, retry_after_s=1)
        return JSONResponse({"status": "ready"})

    @closed.post(
        "/recognize",
        openapi_extra={"requestBody": IMAGES_BODY, "parameters": [_DETAIL]},
        responses=answers(READING, *_READING),
    )
    async def recognize(request: Request) -> Response:
        """Read images: files of a form, or the bytes of one; results keep their order.

        An image that cannot be read has its `error` set; if none can, the status is 422.
        """
        detail = choice_of(options_of(request.query_params.multi_items()), "detail", OF_LINES)
        check_kind(request)
        read = await service.answer(request, images_of_body)
        records = [short_line(record, detail) for record in read]
        answer: dict[str, Any] = {"model": service.name, "results": records}
        status = 200
        if all(record["error"] is not None for record in records):
            status = 422
            answer["error"] = f"no image could be read: {records[0]['error']}"
        if sum(len(record["text"]) for record in records) <= _FEW_CHARACTERS:
            body = _json_of_reading(answer)
        else:
            body = await service.in_thread(lambda: _json_of_reading(answer))
        return Response(body, status, media_type="application/json")

    @closed.get("/model", responses=answers(ANY_OBJECT, 401))
    async def model() -> Response:
        """Return the model's input and output, and the limits of the service."""
        return Response(described, media_type="application/json")

    @closed.get("/metrics", responses=answers({"type": "string"}, 401, media="text/plain"))
    async def metrics() -> Response:
        """Return metrics for Prometheus."""
        text, media_type = service.metrics.exposition()
        return Response(text, media_type=media_type)

    add_pages(closed, service)
    add_protocol(app, closed, service, [line_model(service), *page_models(service)])
    app.include_router(closed)
    _add_refusals(app)
    app.add_middleware(_Front, service=service)
    return app


def _description(service: Service) -> dict[str, Any]:
    """Return what the route `/model` answers."""
    backend, pages = service.backend, service.pages
    read = None
    if pages is not None:
        read = {
            "detector": pages.backend.page_description,
            "limits": asdict(pages.limits),
            "formats": list(FORMATS),
        }
    return {
        "name": service.name,
        "engine": backend.description,
        "replicas": backend.num_replicas,
        "limits": asdict(service.limits),
        "pages": read,
        "spec": asdict(backend.spec),
    }


def _add_refusals(app: "FastAPI") -> None:
    """Answer every error with a status and `{"error": reason}`."""
    from starlette.exceptions import HTTPException
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import JSONResponse, Response

    @app.exception_handler(OcrError)
    async def refused(request: Request, error: OcrError) -> Response:
        answer: Response = _refused(error)
        return answer

    @app.exception_handler(HTTPException)
    async def not_routed(request: Request, error: HTTPException) -> Response:
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)

    @app.exception_handler(ClientDisconnect)
    async def went_away(request: Request, error: ClientDisconnect) -> Response:
        return JSONResponse({"error": "the client went away"}, _CLIENT_WENT_AWAY)


class _Front:
    """Checks the host name of every request, and counts all requests."""

    def __init__(self, app: Any, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        begin, status = time.perf_counter(), 500

        async def sent(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            self._service.hosts.check(scope)
            await self._app(scope, receive, sent)
        except Refusal as refusal:
            await _refused(refusal)(scope, receive, sent)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            seconds = time.perf_counter() - begin
            self._service.metrics.count_request(route, status, seconds)
            if self._service.access_log is not None:
                self._service.access_log.add(scope, status, seconds)


def _refused(error: OcrError) -> Any:
    """Return the answer to a request that fails."""
    from starlette.responses import JSONResponse

    refusal = error if isinstance(error, Refusal) else Refusal(500, str(error))
    headers = {}
    if refusal.retry_after_s is not None:
        headers["Retry-After"] = str(refusal.retry_after_s)
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"error": str(error)}, refusal.status, headers)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode(errors="replace")


def _json_of_reading(answer: dict[str, Any]) -> bytes:
    """Write an answer with results record by record, so that other threads can run in between."""
    rest = {key: value for key, value in answer.items() if key != "results"}
    records = b", ".join(_json(record) for record in answer["results"])
    return b'{"results": [%s], %s' % (records, _json(rest)[1:])
