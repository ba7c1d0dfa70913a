# Not `from __future__ import annotations`: as `runtime.serve.protocol`.
"""Pages under the Open Inference Protocol: a model of its own, whose outputs are text and JSON."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runtime.serve.arguments import PAGES
from runtime.serve.bounds.body import Body, NamedBytes
from runtime.serve.bounds.refusal import Refusal
from runtime.serve.pages.answer import pages_json
from runtime.serve.pages.service import errors_of
from runtime.serve.pages.wish import PageWish, wish_of
from runtime.serve.protocol import ImagesOf, Parameters, ProtocolModel
from runtime.serve.service import Service

if TYPE_CHECKING:
    from starlette.requests import Request as AnyRequest

OUTPUTS = {"text": "BYTES", "json": "BYTES", "error": "BYTES", "warning": "BYTES"}
_WISHES = ("pages", "min_confidence", "pdf")
_PAGE_END = "\f"


def page_models(service: Service) -> list[ProtocolModel]:
    """Return the model that reads pages; none where no detector is there."""
    pages = service.pages
    if pages is None:
        return []

    async def answer(
        request: "AnyRequest", images_of: ImagesOf, parameters: Parameters
    ) -> Mapping[str, Sequence[Any]]:
        def files_of(body: Body) -> tuple[list[NamedBytes], PageWish]:
            files = images_of(body, pages.limits)  # which fills `parameters`
            wanted = {name: parameters[name] for name in _WISHES if name in parameters}
            return files, wish_of({name: str(value) for name, value in wanted.items()})

        documents, _ = await pages.answer(request, files_of)
        errors = [
            "; ".join(dict.fromkeys(error for error in errors_of(read) if error is not None))
            for read in documents
        ]
        if all(None not in errors_of(read) for read in documents):
            raise Refusal(422, f"no page could be read: {errors[0]}")
        return {
            "text": [_PAGE_END.join(reply.text for reply in read.replies) for read in documents],
            "json": [pages_json(read) for read in documents],
            "error": errors,
            "warning": [
                "; ".join(dict.fromkeys(said for reply in read.replies for said in reply.warnings))
                for read in documents
            ],
        }

    return [ProtocolModel(PAGES, pages.backend.page_description, OUTPUTS, answer)]
