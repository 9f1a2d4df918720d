"""Scores visual concepts in photographs."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
from fastapi import APIRouter, Request
from pydantic import Field

from zsderm.service.asking import in_thread
from zsderm.service.routes.asked import form_of, photographs
from zsderm.service.running import Service
from zsderm.service.schemas import Annotated_, Annotation, Model
from zsderm.service.uploads import Upload
from zsderm.tasks.concepts.annotation import concept_directions
from zsderm.tasks.concepts.concept_list import ConceptVocabulary

if TYPE_CHECKING:
    from zsderm.encoders import Encoder

router = APIRouter(prefix="/v1", tags=["annotate"])


class AnnotateRequest(Model):
    """Which concepts are scored."""

    concepts: Literal["skincon", "derm7pt"] = Field(
        default="skincon", description="skincon for clinical photographs, derm7pt for dermoscopic ones."
    )


@router.post(
    "/annotate",
    operation_id="annotate",
    summary="Score visual concepts",
    openapi_extra=form_of(AnnotateRequest),
)
async def annotate(request: Request) -> Annotated_:
    """The log-odds of each concept for each photograph; higher means more likely."""
    async with photographs(request) as form:
        asked = form.read(AnnotateRequest)
        return await in_thread(request, _scores, request.app.state.service, asked.concepts, form.files)


def _scores(service: Service, concepts: str, uploads: list[Upload]) -> Annotated_:
    names, directions = _directions(service, concepts)  # (C, D)
    service.let_in(len(uploads))
    read = service.read(uploads, 1)
    rows = [None if one.row is None else dict(zip(names, (directions @ one.row).tolist(), strict=True)) for one in read]
    return Annotated_(
        concepts=names,
        annotations=[
            Annotation(image=one.name, ok=row is not None, error=one.error, scores=row)
            for one, row in zip(read, rows, strict=True)
        ],
    )


@lru_cache(maxsize=8)
def _directions(service: Service, concepts: str) -> tuple[list[str], np.ndarray]:
    vocabulary = ConceptVocabulary.load(concepts)
    return list(vocabulary.names), concept_directions(cast("Encoder", service.classifiers.texts), vocabulary)
