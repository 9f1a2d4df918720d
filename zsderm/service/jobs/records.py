"""What stands in the database of jobs, as Python has it."""

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
        id: random.
        state: where it stands.
        reason: why it failed; may be empty.
        created: seconds since 1970, as are all times.
        ended: when it was done, failed or was cancelled; None before.
        request: how its photographs are classified.
        classes: as the request names them.
        fingerprint: of the encoder and the views that its embeddings are of; empty where there are none.
        facts: what holds for all its answers, once it is done; and before, under "of_files", notes on what was sent.
        total: photographs in it.
        done: those of them that are embedded or failed.
        failed: those that could not be read.
        reviewed: those of which a reader has said something.
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
        number: its place in the job, from 0.
        name: as it was sent, distinct within the job.
        file: its random name on the disk, with "#2" for the second picture in it; empty where it was not kept.
        state: "waiting", "done" or "failed".
        error: why it failed; else empty.
        size: width and height in pixels; None before it was read.
        answer: as JSON, once the job is done.
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
    """What became of one photograph: a row, or a reason.

    Attributes:
        number: its place in the job.
        row: D float32 as bytes; None where it could not be read.
        error: the reason.
        size: width and height in pixels, where they are known.
    """

    number: int
    row: bytes | None
    error: str = ""
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class ReviewRecord:
    """What a reader said of one answer, and when."""

    number: int
    verdict: Verdict
    label: str
    comment: str
    at: float
