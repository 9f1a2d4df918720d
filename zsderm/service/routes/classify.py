"""Classifies a few photographs while the client waits."""

from __future__ import annotations

from fastapi import APIRouter, Request

from zsderm.service.answers import answers_of, classified
from zsderm.service.asking import in_thread
from zsderm.service.explanations import heat_maps
from zsderm.service.routes.asked import form_of, photographs
from zsderm.service.running import Service
from zsderm.service.schemas import Classified, ClassifyRequest
from zsderm.service.uploads import Form

router = APIRouter(prefix="/v1", tags=["classify"])


@router.post(
    "/classify",
    operation_id="classify",
    summary="Classify a few photographs",
    openapi_extra=form_of(ClassifyRequest),
)
async def classify(request: Request) -> Classified:
    """The most probable classes of each photograph.

    The photographs of one request are classified as one batch, like a folder on the command line, and are deleted
    after the answer. A photograph that cannot be read has an answer with `ok: false` and a reason. For many
    photographs, create a job.
    """
    async with photographs(request) as form:
        asked = form.read(ClassifyRequest)
        return await in_thread(request, _answer, request.app.state.service, asked, form)


def _answer(service: Service, asked: ClassifyRequest, form: Form) -> Classified:
    service.classifiers.check(asked)
    classifier, uploads = service.classifiers.find(asked), form.files
    service.let_in(len(uploads))
    read = service.read(uploads, classifier.views)
    names = [f"{number}/{one.name}" for number, one in enumerate(read)]  # two may have one name
    predictions = service.classifiers.answer(asked, names, [one.row for one in read], [one.error for one in read])
    answers = answers_of(predictions, asked.top_k)
    maps = heat_maps(service, classifier, predictions, [upload.file for upload in uploads]) if asked.explain else None
    own = [
        answer.model_copy(update={"image": one.name, "heat_map": next(maps) if maps else None})
        for answer, one in zip(answers, read, strict=True)
    ]
    found = classified(predictions, own)
    return found.model_copy(update={"notes": [*form.notes, *found.notes]})
