"""The records of the job database as Python objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zsderm.service.schemas import ClassifyRequest, JobState, Verdict

ENDED: tuple[JobState, ...] = ("done", "failed", "cancelled")


@dataclass(frozen=True)
class JobRecord:
    """One job.

    Attributes:
        id: random id.
        state: one of `JobState`.
        reason: why the job failed; may be empty.
        created: time of creation, in seconds since 1970 like all times.
        ended: when the job was done, failed or was cancelled; None before.
        request: how its photographs are classified.
        classes: the class names of the request.
        fingerprint: encoder and views of the stored embeddings; empty if there are no embeddings.
        facts: facts on all answers, once the job is done; "of_files" holds notes on the files that were sent.
        total: number of photographs.
        done: number of photographs that are embedded or failed.
        failed: number of photographs that could not be read.
        reviewed: number of photographs with a verdict.
    """

    id: str
    state: JobState
    reason: str
    created: float
    ended: float | None
    request: ClassifyRequest
    classes: tuple[str, ...]
    fingerprint: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    total: int = 0
    done: int = 0
    failed: int = 0
    reviewed: int = 0


@dataclass(frozen=True)
class PhotographRecord:
    """One photograph of a job.

    Attributes:
        number: the place of the photograph in the job, from 0.
        name: file name as it was sent, made unique within the job.
        file: random file name on the disk, with "#2" for the second picture in it; empty if the file was not stored.
        state: "waiting", "done" or "failed".
        error: why the photograph failed; otherwise empty.
        size: width and height in pixels; None before the photograph was read.
        answer: the answer as JSON, once the job is done.
    """

    number: int
    name: str
    file: str
    state: str
    error: str = ""
    size: tuple[int, int] | None = None
    answer: str | None = None


@dataclass(frozen=True)
class Embedded:
    """The result for one photograph: an embedding or a reason.

    Attributes:
        number: the place of the photograph in the job.
        row: D float32 as bytes; None if the photograph could not be read.
        error: the reason in this case.
        size: width and height in pixels, if they are known.
    """

    number: int
    row: bytes | None
    error: str = ""
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class ReviewRecord:
    """The verdict of a reader on one answer, with its time."""

    number: int
    verdict: Verdict
    label: str
    comment: str
    at: float
