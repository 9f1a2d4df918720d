"""Verdicts of readers on the answers of a job, and the labels made from them."""

from __future__ import annotations

from fastapi import APIRouter, Response

from zsderm.service.routes.asked import Found, Running
from zsderm.service.routes.photographs import Number, as_photograph, as_review, find
from zsderm.service.schemas import Photograph, Review, ReviewRequest

router = APIRouter(prefix="/v1/jobs/{job}", tags=["review"])


@router.put("/photographs/{number}/review", operation_id="review", summary="Give a verdict")
def review(service: Running, job: Found, number: Number, said: ReviewRequest) -> Photograph:
    """Agree, correct the answer to another class of the job, or say that you cannot tell; the latest verdict counts."""
    photograph = find(service, job, number)
    return as_photograph(photograph, service.reviews.add(job.id, photograph, job.classes, said))


@router.delete("/photographs/{number}/review", operation_id="undo_review", summary="Undo the latest verdict")
def undo(service: Running, job: Found, number: Number) -> Photograph:
    """Remove the latest verdict; the one before it counts again."""
    photograph = find(service, job, number)
    return as_photograph(photograph, service.reviews.undo(job.id, number))


@router.get("/reviews", operation_id="reviews", summary="All verdicts")
def reviews(service: Running, job: Found) -> dict[int, Review]:
    """The latest verdict on each photograph, by the number of the photograph."""
    return {number: as_review(said) for number, said in service.reviews.of(job.id).items()}


@router.get("/labels.csv", operation_id="labels", summary="The verdicts as labels", response_class=Response)
def labels(service: Running, job: Found) -> Response:
    """A table with the columns image, true_label, verdict and comment.

    `zsderm evaluate` and `zsderm calibrate` read it with --labels. For the verdict cannot_tell, true_label is empty.
    Photographs without a verdict are left out.
    """
    headers = {"content-disposition": 'attachment; filename="labels.csv"'}
    return Response(service.reviews.labels_csv(job.id), media_type="text/csv", headers=headers)
