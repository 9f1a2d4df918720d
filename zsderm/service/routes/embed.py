"""Embeds photographs as vectors of unit length."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import Field

from zsderm.service.asking import in_thread
from zsderm.service.routes.asked import form_of, photographs
from zsderm.service.running import Service
from zsderm.service.schemas import Embedded, Embedding, Model, Views
from zsderm.service.uploads import Upload

router = APIRouter(prefix="/v1", tags=["embed"])


class EmbedRequest(Model):
    """How photographs are embedded."""

    views: Views | None = Field(default=None, description="How many views of each photograph are averaged.")


@router.post("/embed", operation_id="embed", summary="Embed a few photographs", openapi_extra=form_of(EmbedRequest))
async def embed(request: Request) -> Embedded:
    """The embedding of each photograph by the model of the service, as a vector of unit length."""
    async with photographs(request) as form:
        asked = form.read(EmbedRequest)
        return await in_thread(request, _rows, request.app.state.service, asked.views, form.files)


def _rows(service: Service, views: int | None, uploads: list[Upload]) -> Embedded:
    encoder = service.engine.encoder
    views = views or encoder.card.views
    service.let_in(len(uploads))
    read = service.read(uploads, views)
    return Embedded(
        model=encoder.card.name,
        fingerprint=encoder.fingerprint,
        width=encoder.card.width,
        views=views,
        embeddings=[
            Embedding(
                image=one.name,
                ok=one.row is not None,
                error=one.error,
                embedding=None if one.row is None else one.row.tolist(),
            )
            for one in read
        ],
    )
