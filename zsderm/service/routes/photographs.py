"""The photographs of a job: answers, pictures and heat maps."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.responses import FileResponse

from zsderm.atomic_files import atomic_file
from zsderm.errors import ImageError
from zsderm.service.asking import in_thread
from zsderm.service.explanations import heat_picture
from zsderm.service.jobs.records import JobRecord, PhotographRecord, ReviewRecord
from zsderm.service.pictures import LARGE_SIDE, PREVIEW_SIDE
from zsderm.service.problems import ProblemError
from zsderm.service.routes.asked import Found, Running
from zsderm.service.routes.jobs import expect_model
from zsderm.service.running import Service
from zsderm.service.schemas import Answer, Photograph, Photographs, Review

router = APIRouter(prefix="/v1/jobs/{job}/photographs", tags=["jobs"])

MOST = 2**31  # more than there ever are; the database holds no whole number of any size

Number = Annotated[int, Path(ge=0, le=MOST, description="The place of the photograph in the job, from 0.")]


@router.get("", operation_id="photographs", summary="The answers of a job")
def some(
    service: Running,
    job: Found,
    offset: Annotated[int, Query(ge=0, le=MOST, description="The number of the first photograph.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="The largest number of photographs.")] = 100,
) -> Photographs:
    """Some photographs in their order, with their answers once the job is done, and with their verdicts."""
    said = service.reviews.of(job.id)
    return Photographs(
        job=job.id,
        state=job.state,
        total=job.total,
        offset=offset,
        photographs=[
            as_photograph(one, said.get(one.number)) for one in service.store.photographs(job.id, offset, limit)
        ],
    )


@router.get("/{number}", operation_id="photograph", summary="One answer of a job")
def one(service: Running, job: Found, number: Number) -> Photograph:
    """One photograph with its answer and its verdict."""
    return as_photograph(find(service, job, number), service.reviews.of(job.id).get(number))


@router.get("/{number}/picture", operation_id="picture", summary="The picture of a photograph", response_class=Response)
def picture(service: Running, job: Found, number: Number, large: bool = False) -> Response:
    """A JPEG made from the pixels alone, without metadata; the longer side is at most 512 pixels, or 1600 if large."""
    photograph = find(service, job, number)
    preview = service.folders.preview(job.id, number)
    if not large and preview.is_file():
        return FileResponse(preview, media_type="image/jpeg", headers=_KEPT)
    if not photograph.file:
        raise ProblemError(404, f"there is no picture: {photograph.error}")
    try:
        read = service.pictures.read(
            service.folders.originals(job.id) / photograph.file,
            at_least=None if large else PREVIEW_SIDE,
            pixels=False,
            side=LARGE_SIDE if large else PREVIEW_SIDE,
        )
    except ImageError as error:
        raise ProblemError(404, f"there is no picture: {error}") from error
    return Response(read.preview, media_type="image/jpeg", headers=_KEPT)


@router.get("/{number}/heat", operation_id="heat_map", summary="The heat map of an answer", response_class=Response)
async def heat(request: Request, service: Running, job: Found, number: Number) -> Response:
    """A PNG: the photograph in grey under its heat map. It is computed at the first request."""
    return await in_thread(request, _heat, service, job, number)


def _heat(service: Service, job: JobRecord, number: int) -> Response:
    photograph = find(service, job, number)
    if job.state != "done" or photograph.state != "done":
        raise ProblemError(
            409, "there is no heat map, because this photograph has no answer; wait until the job is done"
        )
    place = service.folders.heat(job.id, number)
    if not place.is_file():
        expect_model(service, job)
        with atomic_file(place, durable=False) as draft:
            draft.write_bytes(heat_picture(service, job, photograph))
    return FileResponse(place, media_type="image/png", headers=_KEPT)


_KEPT = {"cache-control": "private, max-age=3600"}


def find(service: Service, job: JobRecord, number: int) -> PhotographRecord:
    """A photograph of a job.

    Raises:
        ProblemError: 404, there is no such photograph.
    """
    found = service.store.photographs(job.id, number, 1)
    if not found or found[0].number != number:
        raise ProblemError(404, "there is no such photograph in this job")
    return found[0]


def as_photograph(one: PhotographRecord, said: ReviewRecord | None) -> Photograph:
    """A photograph as a JSON model."""
    answer = None if one.answer is None else Answer.model_validate_json(one.answer)
    if answer is None and one.state == "failed":
        answer = Answer(image=one.name, ok=False, error=one.error)
    width, height = one.size or (None, None)
    return Photograph(
        number=one.number,
        image=one.name,
        state=one.state,  # type: ignore[arg-type]
        width=width,
        height=height,
        answer=answer,
        review=None if said is None else as_review(said),
    )


def as_review(said: ReviewRecord) -> Review:
    """A verdict as a JSON model."""
    return Review.model_validate({"verdict": said.verdict, "label": said.label, "comment": said.comment, "at": said.at})
