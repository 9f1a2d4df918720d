"""The printable summary of a job: its answers, and the verdicts of the reader."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from zsderm.service.jobs.records import JobRecord, PhotographRecord, ReviewRecord
from zsderm.service.pages.rendering import page
from zsderm.service.problems import ProblemError
from zsderm.service.routes.asked import Found, Running

router = APIRouter()

VERDICTS = {"agree": "✓ agreed", "correct": "✎ corrected", "cannot_tell": "? cannot tell"}


@dataclass(frozen=True)
class Shown:
    """One photograph as it is printed."""

    photograph: PhotographRecord
    answer: dict[str, Any]  # see `zsderm.service.schemas.Answer`; empty where there is none
    said: ReviewRecord | None

    @property
    def verdict(self) -> str:
        """A sign and a word; empty where nobody said anything."""
        return "" if self.said is None else VERDICTS[self.said.verdict]


@router.get("/jobs/{job}/report")
def report(service: Running, job: Found, only: str = "") -> HTMLResponse:
    """A page that prints well; with ``only=reviewed`` of the photographs that have a verdict.

    Raises:
        ProblemError: 409, there are no answers yet.
    """
    if job.state != "done":
        raise ProblemError(409, f"this job is {job.state}, so it has no answers to print yet; wait until it is done")
    said = service.reviews.of(job.id)
    shown = [
        Shown(one, {} if one.answer is None else json.loads(one.answer), said.get(one.number))
        for one in service.store.photographs(job.id)
    ]
    return page(
        "session.html.j2",
        job=job,
        facts=job.facts,
        created=_day(job.created),
        written=_day(datetime.now().timestamp()),
        photographs=[one for one in shown if one.said is not None or only != "reviewed"],
        only=only,
        counts=_counts(job, shown),
        verdicts=Counter(one.said.verdict for one in shown if one.said is not None),
        knowledge=None if service.knowledge is None else f"{service.knowledge.name} {service.knowledge.version}",
    )


def _counts(job: JobRecord, shown: list[Shown]) -> list[tuple[str, int, int, int, int]]:
    """By class: answers, those agreed with, those corrected to another class, and corrections to it."""
    found: Counter[tuple[str, str]] = Counter(
        (one.answer.get("label", ""), one.said.verdict if one.said else "") for one in shown
    )
    to = Counter(one.said.label for one in shown if one.said is not None and one.said.verdict == "correct")
    return [
        (
            name,
            sum(found[name, verdict] for verdict in ("", *VERDICTS)),
            found[name, "agree"],
            found[name, "correct"],
            to[name],
        )
        for name in job.classes
    ]


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%d %B %Y, %H:%M %Z")
