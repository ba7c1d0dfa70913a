# Not `from __future__ import annotations`: FastAPI must see the types that are imported late.
"""The Open Inference Protocol, version 2, over HTTP: what KServe's and Triton's clients speak."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import runtime
from runtime.serve.batcher import Record
from runtime.serve.bounds.body import Body, NamedBytes, unpacked
from runtime.serve.bounds.refusal import Refusal
from runtime.serve.schemas import ANY_OBJECT, INFER_BODY, INFERENCE, answers
from runtime.serve.service import Service
from runtime.serve.settings import Limits
from runtime.serve.tensors import (
    Output,
    images_from_message,
    message_from_outputs,
    parameters_of,
    read_message,
)

if TYPE_CHECKING:
    from fastapi import APIRouter, FastAPI
    from starlette.requests import Request as AnyRequest

INPUT = "image"
OUTPUTS = {"text": "BYTES", "confidence": "FP32", "error": "BYTES", "warning": "BYTES"}
VERSION = "1"

ImagesOf = Callable[[Body, Limits], list[NamedBytes]]
Parameters = Mapping[str, Any]

_MOST_ID_CHARACTERS = 1000
_HEADER_LENGTH = "Inference-Header-Content-Length"
_INFERENCE = (400, 401, 404, 408, 413, 415, 422, 429, 500, 504)


@dataclass(frozen=True)
class ProtocolModel:
    """A model that the protocol offers: a BYTES tensor `image` in, a value for each element out.

    Args:
        name: of the model.
        platform: engine and device.
        outputs: names and types of its outputs.
        answer: reads the images of a request, which a function finds in its body and, when that has
            been called, in the parameters of its message; returns the values of each output.
    """

    name: str
    platform: str
    outputs: Mapping[str, str]
    answer: Callable[["AnyRequest", ImagesOf, Parameters], Awaitable[Mapping[str, Sequence[Any]]]]


def line_model(service: Service) -> ProtocolModel:
    """Return the model that reads lines."""

    async def answer(
        request: "AnyRequest", images_of: ImagesOf, parameters: Parameters
    ) -> Mapping[str, Sequence[Any]]:
        records = await service.answer(request, images_of)
        if all(record["error"] is not None for record in records):
            raise Refusal(422, f"no image could be read: {records[0]['error']}")
        return _columns(records)

    return ProtocolModel(service.name, service.backend.description, OUTPUTS, answer)


def add_protocol(
    app: "FastAPI", closed: "APIRouter", service: Service, models: Sequence[ProtocolModel]
) -> None:
    """Add the protocol's routes.

    Args:
        app: takes the routes that need no key.
        closed: takes the routes that need the key.
        service: tells whether it is ready.
        models: answer.
    """
    from fastapi import Request, Response
    from fastapi.responses import JSONResponse

    @app.get("/v2/health/live", responses=answers(ANY_OBJECT))
    async def live() -> Response:
        """Tell whether the process answers."""
        return JSONResponse({"live": True})

    @app.get("/v2/health/ready", responses=answers(ANY_OBJECT, 503))
    async def ready() -> Response:
        """Tell whether images can be read."""
        if not await service.is_ready():
            raise Refusal(503, "no replica is ready", retry_after_s=1)
        return JSONResponse({"ready": True})

    @closed.get("/v2", responses=answers(ANY_OBJECT, 401))
    async def server() -> Response:
        """Return name, version and extensions of the server."""
        return JSONResponse(
            {
                "name": "distilrec",
                "version": runtime.__version__,
                "extensions": ["binary_tensor_data"],
            }
        )

    async def model(name: str, version: str = VERSION) -> Response:
        """Return a model's tensors."""
        return JSONResponse(_metadata(_model(models, name, version)))

    async def model_ready(name: str, version: str = VERSION) -> Response:
        """Tell whether a model can read."""
        _model(models, name, version)
        if not await service.is_ready():
            raise Refusal(503, "no replica is ready", retry_after_s=1)
        return JSONResponse({"name": name, "ready": True})

    async def infer(request: Request, name: str, version: str = VERSION) -> Response:
        """Read images: a BYTES tensor `image` in; `text`, `confidence`, `error`, `warning` out.

        An image that cannot be read has an `error` that is not empty; if none can, the status is
        422. A `warning` says what was left out of an image, such as further pages of its file.
        The model `pages`, where a detector is there, takes images and PDF files: `text` and `json`
        of all pages of each, `error`, `warning`.
        """
        model = _model(models, name, version)
        asked: dict[str, Any] = {}
        parameters: dict[str, Any] = {}
        json_bytes = _json_bytes(request)

        def images_of(body: Body, limits: Limits) -> list[NamedBytes]:
            message, binary = read_message(unpacked(body, limits), json_bytes)
            # Checked first: a request for unknown outputs is refused before its images are decoded.
            asked.update(id=_id(message), wanted=_wanted(message, model.outputs))
            parameters.update(parameters_of(message))
            images = images_from_message(message, binary, INPUT, limits.images_per_request)
            if not images:
                raise Refusal(400, f"the input {INPUT!r} holds no image")
            return [(None, image) for image in images]

        columns = await model.answer(request, images_of, parameters)
        return await service.in_thread(lambda: _response(model, asked, columns, Response))

    for path in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
        routes: tuple[tuple[str, Any, str, Any, Any], ...] = (
            ("", model, "GET", answers(ANY_OBJECT, 401, 404), None),
            ("/ready", model_ready, "GET", answers(ANY_OBJECT, 401, 404, 503), None),
            (
                "/infer",
                infer,
                "POST",
                answers(INFERENCE, *_INFERENCE),
                {"requestBody": INFER_BODY},
            ),
        )
        for tail, endpoint, method, responses, extra in routes:
            closed.add_api_route(
                path + tail, endpoint, methods=[method], responses=responses, openapi_extra=extra
            )


def _model(models: Sequence[ProtocolModel], name: str, version: str) -> ProtocolModel:
    """Return the model of a name; refuse, with 404, another model or version."""
    for model in models:
        if (name, version) == (model.name, VERSION):
            return model
    names = " or ".join(repr(model.name) for model in models)
    raise Refusal(404, f"no such model: expected {names} in version {VERSION!r}")


def _metadata(model: ProtocolModel) -> dict[str, Any]:
    """Return the protocol's description of a model and its tensors."""
    tensors = ((INPUT, "BYTES"), *model.outputs.items())
    described = [{"name": name, "datatype": kind, "shape": [-1]} for name, kind in tensors]
    return {
        "name": model.name,
        "versions": [VERSION],
        "platform": model.platform,
        "inputs": described[:1],
        "outputs": described[1:],
    }


def _json_bytes(request: "AnyRequest") -> int | None:
    """Return the length of the JSON that the header states, None without this header."""
    text = request.headers.get(_HEADER_LENGTH)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise Refusal(400, f"impossible {_HEADER_LENGTH}: expected a whole number")
    return int(text)


def _id(message: dict[str, Any]) -> str | None:
    """Return the client's name of the request, None without one."""
    name = message.get("id")
    if name is None or (isinstance(name, str) and len(name) <= _MOST_ID_CHARACTERS):
        return name
    raise Refusal(400, f"expected id as a text of at most {_MOST_ID_CHARACTERS} characters")


def _wanted(message: dict[str, Any], known: Mapping[str, str]) -> list[tuple[str, bool]]:
    """Return the names of the requested outputs, and whether each is to be binary."""
    is_binary = _flag(parameters_of(message), "binary_data_output", False)
    outputs = message.get("outputs")
    if outputs is None or outputs == []:
        outputs = [{"name": name} for name in known]
    if not isinstance(outputs, list):
        raise Refusal(400, "expected outputs as a list")
    wanted: dict[str, bool] = {}
    for output in outputs:
        name = output.get("name") if isinstance(output, dict) else None
        if not isinstance(name, str) or name not in known:
            raise Refusal(400, f"unknown output: expected one of {', '.join(known)}")
        if name in wanted:
            raise Refusal(400, f"expected each output once, got {name!r} again")
        wanted[name] = _flag(parameters_of(output), "binary_data", is_binary)
    return list(wanted.items())


def _flag(parameters: Mapping[str, Any], name: str, default: bool) -> bool:
    """Return a parameter that is true or false."""
    flag = parameters.get(name, default)
    if not isinstance(flag, bool):
        raise Refusal(400, f"expected {name} to be true or false")
    return flag


def _columns(records: list[Record]) -> dict[str, list[Any]]:
    """Return the values of each output of the records of lines."""
    return {
        "text": [record["text"] for record in records],
        "confidence": [record["confidence"] for record in records],
        "error": [record["error"] or "" for record in records],
        "warning": ["; ".join(record["warnings"]) for record in records],
    }


def _response(
    model: ProtocolModel,
    asked: dict[str, Any],
    columns: Mapping[str, Sequence[Any]],
    response: Any,
) -> Any:
    """Write the requested outputs as an answer; `response` is its class."""
    outputs = [Output(name, columns[name], is_binary) for name, is_binary in asked["wanted"]]
    head: dict[str, Any] = {"model_name": model.name, "model_version": VERSION}
    if asked["id"] is not None:
        head["id"] = asked["id"]
    body, json_bytes = message_from_outputs(head, outputs)
    if not any(output.is_binary for output in outputs):
        return response(body, media_type="application/json")
    return response(
        body,
        media_type="application/octet-stream",
        headers={_HEADER_LENGTH: str(json_bytes)},
    )
