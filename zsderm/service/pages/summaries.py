"""What the page has to know of all photographs of a job to sort and choose among them, and of all diseases."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from zsderm.service.jobs.records import PhotographRecord, ReviewRecord
from zsderm.service.routes.asked import Found, Running

router = APIRouter(prefix="/page")


@router.get("/names")
def names(service: Running) -> JSONResponse:
    """Each disease of the knowledge base with its aliases, for suggestions while somebody types."""
    base = service.knowledge
    entries = () if base is None else (*base.diseases.values(), *base.groups.values())
    # A name with a comma in it cannot be typed into a list with commas.
    return JSONResponse([[entry.name, *entry.aliases] for entry in entries if "," not in entry.name])


@router.get("/jobs/{job}/summary")
def summary(service: Running, job: Found) -> JSONResponse:
    """One short row for each photograph: thousands of them are one answer, which sentences of evidence would not be."""
    said = service.reviews.of(job.id)
    return JSONResponse([short(one, said.get(one.number)) for one in service.store.photographs(job.id)])


def short(one: PhotographRecord, said: ReviewRecord | None) -> dict[str, Any]:
    """What is sorted and chosen by."""
    answer = {} if one.answer is None else json.loads(one.answer)
    top, could_be, before = answer.get("top") or [], answer.get("prediction_set"), answer.get("unrefined_label")
    label = answer.get("label", "")
    return {
        "number": one.number,
        "image": one.name,
        "state": one.state,
        "error": one.error or answer.get("error", ""),
        "label": label,
        "probability": answer.get("probability"),
        "margin": top[0]["probability"] - top[1]["probability"] if len(top) > 1 else None,
        "familiarity": answer.get("familiarity"),
        "possible": None if could_be is None else len(could_be),
        "abstained": bool(answer.get("abstained")),
        "changed": before is not None and before != label,
        "verdict": None if said is None else said.verdict,
        "said": "" if said is None else said.label,
        "comment": "" if said is None else said.comment,
    }
