"""Finds the photographs that are most similar to a text."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Request
from pydantic import Field

from zsderm.service.asking import in_thread
from zsderm.service.problems import ProblemError
from zsderm.service.routes.asked import Found, Running, form_of, photographs
from zsderm.service.running import Service
from zsderm.service.schemas import Hit, Model, Retrieved
from zsderm.service.uploads import Upload

router = APIRouter(prefix="/v1", tags=["retrieve"])


class RetrieveRequest(Model):
    """The text to search for, and how many photographs are returned."""

    query: Annotated[str, Field(min_length=1, max_length=500, examples=["pearly nodule with fine vessels"])]
    limit: Annotated[int, Field(ge=1, le=1000)] = 10


@router.post(
    "/retrieve",
    operation_id="retrieve",
    summary="Find photographs by a text",
    openapi_extra=form_of(RetrieveRequest),
)
async def retrieve(request: Request) -> Retrieved:
    """The photographs of this request that are most similar to a text, best first."""
    async with photographs(request) as form:
        asked = form.read(RetrieveRequest)
        return await in_thread(request, _among_uploads, request.app.state.service, asked, form.files)


@router.post("/jobs/{job}/retrieve", operation_id="retrieve_in_job", summary="Find photographs of a job by a text")
def retrieve_in_job(service: Running, job: Found, asked: RetrieveRequest) -> Retrieved:
    """The photographs of a job that are most similar to a text, among those embedded so far."""
    encoder = service.engine.encoder
    if job.fingerprint and not job.fingerprint.startswith(f"{encoder.fingerprint}/"):
        raise ProblemError(
            409,
            "the photographs of this job were embedded by another model; start the service with it, or make a new job",
        )
    stored = service.store.embeddings(job.id)
    rows = [None if blob is None else np.frombuffer(blob, np.float32) for _, blob, _ in stored]
    return _found(service, asked, [name for name, _, _ in stored], rows, {name: why for name, _, why in stored if why})


def _among_uploads(service: Service, asked: RetrieveRequest, uploads: list[Upload]) -> Retrieved:
    service.let_in(len(uploads))
    read = service.read(uploads, service.engine.encoder.card.views)
    errors = {one.name: one.error for one in read if one.row is None}
    return _found(service, asked, [one.name for one in read], [one.row for one in read], errors)


def _found(
    service: Service, asked: RetrieveRequest, names: list[str], rows: list[np.ndarray | None], errors: dict[str, str]
) -> Retrieved:
    query = service.classifiers.texts.encode_texts([asked.query])[0].numpy()  # (D,)
    scores = [(float(row @ query), number) for number, row in enumerate(rows) if row is not None]
    best = sorted(scores, key=lambda hit: (-hit[0], hit[1]))[: asked.limit]
    hits = [Hit(image=names[number], score=score, number=number) for score, number in best]
    return Retrieved(query=asked.query, hits=hits, errors=errors)
