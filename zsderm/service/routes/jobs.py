"""Jobs: create, add photographs, start, watch, cancel, resume, download and delete."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from zsderm.images import file_of
from zsderm.service.asking import in_thread
from zsderm.service.jobs.records import JobRecord
from zsderm.service.jobs.results import TABLES
from zsderm.service.problems import ProblemError, busy
from zsderm.service.routes.asked import Found, Running, form_of
from zsderm.service.running import Service, new_id
from zsderm.service.schemas import ClassifyRequest, Job, Jobs, Model, Progress
from zsderm.service.uploads import Form, read_form
from zsderm.wording import counted

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "html": "text/html; charset=utf-8",
}
REPORT_POLICY = (
    "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "sandbox allow-scripts allow-downloads allow-modals"
)
CHANGED = "the state of this job has just changed; get the job and try again"
WAIT = 30  # seconds after which it is worth trying again where too many jobs wait


class JobRequest(ClassifyRequest):
    """How the photographs of a job are classified, and whether the job starts at once."""

    start: bool = Field(default=True, description="false: the job stays open for more photographs until it is started.")


@router.post(
    "",
    operation_id="create_job",
    summary="Create a job",
    status_code=201,
    openapi_extra=form_of(JobRequest, required=False),
)
async def create(request: Request, response: Response) -> Job:
    """Create a job: its photographs are classified together, like a folder on the command line.

    A job survives a restart of the service. With `start: false` it stays open for more photographs, which are sent
    to `/v1/jobs/{job}/photographs`.
    """
    service: Service = request.app.state.service
    id = new_id()
    service.folders.make(id)
    try:
        form = await _form(request, service.folders.originals(id))
        found = await in_thread(request, _create, service, id, form)
    except BaseException:
        await run_in_threadpool(service.runner.delete, id)
        raise
    response.headers["location"] = f"/v1/jobs/{id}"
    return found


@router.post(
    "/{job}/photographs",
    operation_id="add_photographs",
    summary="Add photographs to an open job",
    openapi_extra=form_of(),
)
async def add(request: Request, service: Running, job: Found) -> Job:
    """Add photographs to a job that was created with `start: false`."""
    _expect(job, "open")
    with service.upload_folder() as folder:  # so that of a refused request nothing stays in the job
        form = await _form(request, folder)
        if form.fields.keys() - {"files"}:
            raise ProblemError(
                422, "expected only `files`, but got other fields; the settings of a job are given when it is created"
            )
        form.read(Model)  # a field of that name holds no file
        return await run_in_threadpool(_add, service, job, form)


@router.get("", operation_id="list_jobs", summary="All jobs")
def all_jobs(service: Running) -> Jobs:
    """All jobs, the newest first."""
    return Jobs(jobs=[as_job(service, job) for job in service.store.all()])


@router.get("/{job}", operation_id="job", summary="State and progress")
def one(service: Running, job: Found) -> Job:
    """The state and progress of a job."""
    return as_job(service, job)


@router.post("/{job}/start", operation_id="start_job", summary="Start an open job")
def start(service: Running, job: Found) -> Job:
    """Start a job to which no more photographs will be added."""
    _queue(service, job, "open")
    return _again(service, job)


@router.post("/{job}/resume", operation_id="resume_job", summary="Resume a job that failed or was cancelled")
def resume(service: Running, job: Found) -> Job:
    """Resume a job; photographs that are already embedded are not embedded again."""
    _queue(service, job, "failed", "cancelled")
    return _again(service, job)


@router.post("/{job}/cancel", operation_id="cancel_job", summary="Cancel a job")
def cancel(service: Running, job: Found) -> Job:
    """Cancel a job; its finished photographs are kept, and it can be resumed."""
    if not service.store.move(job.id, ("open", "queued", "running"), "cancelled"):
        raise ProblemError(409, f"this job is {job.state}, so there is nothing to cancel")
    service.runner.cancel(job.id)
    return _again(service, job)


@router.delete("/{job}", operation_id="delete_job", summary="Delete a job and its photographs", status_code=204)
def delete(service: Running, job: Found) -> Response:
    """Delete a job with its photographs, answers, verdicts and results."""
    service.runner.delete(job.id)
    return Response(status_code=204)


@router.get(
    "/{job}/result.{kind}",
    operation_id="result",
    summary="The result as a file",
    response_class=FileResponse,
)
async def result(
    request: Request, service: Running, job: Found, kind: Literal["csv", "jsonl", "parquet", "html"]
) -> FileResponse:
    """The table of `zsderm classify` as CSV, JSON Lines or Parquet, or its report with the verdicts given so far."""
    return await in_thread(request, _result, service, job, kind)


def _result(service: Service, job: JobRecord, kind: str) -> FileResponse:
    _expect(job, "done")
    if kind in TABLES:
        return FileResponse(
            service.results.table(job, kind), media_type=MEDIA_TYPES[kind], filename=f"predictions.{kind}"
        )
    expect_model(service, job)
    said = service.reviews.of(job.id)
    true = [said[number].label if number in said else "" for number in range(job.total)]
    file = service.results.write_report(job, service.runner.predictions(job), true)
    # The report is a page of its own, with a script and styles in it; it may load nothing and speak to nobody.
    headers = {"content-security-policy": REPORT_POLICY}
    return FileResponse(file, media_type=MEDIA_TYPES[kind], headers=headers)


def as_job(service: Service, job: JobRecord) -> Job:
    """A job as a JSON model."""
    over = job.ended if job.ended is not None else job.created if job.state == "open" else None
    facts = job.facts
    return Job(
        id=job.id,
        state=job.state,
        reason=service.runner.reason(job),
        created=_time(job.created),
        ended=None if job.ended is None else _time(job.ended),
        deleted_after=None if over is None else _time(over + service.settings.keep_hours * 3600),
        request=job.request,
        classes=list(job.classes),
        progress=Progress(
            total=job.total, done=job.done, failed=job.failed, seconds_left=service.runner.seconds_left(job)
        ),
        method=facts.get("method"),
        prior=facts.get("prior"),
        model=facts.get("model"),
        calibrated=facts.get("calibrated"),
        notes=[*facts.get("of_files", []), *facts.get("notes", [])],
        reviewed=job.reviewed,
    )


def expect_model(service: Service, job: JobRecord) -> None:
    """Check that the loaded model is the one that answered a job.

    Raises:
        ProblemError: 409, it is another model.
    """
    views = service.classifiers.views_of(job.request)
    if job.fingerprint != f"{service.engine.encoder.fingerprint}/{views}":
        raise ProblemError(
            409, "this job was answered by another model than the loaded one; start the service with that model"
        )


async def _form(request: Request, folder: Path) -> Form:
    service: Service = request.app.state.service
    how = service.settings
    form = await read_form(
        request,
        folder,
        max_bytes=how.max_request_bytes,
        max_file_bytes=how.max_file_bytes,
        max_files=how.max_files,
    )
    await run_in_threadpool(service.contents.spread, form, how.max_job_files)
    return form


def _create(service: Service, id: str, form: Form) -> Job:
    asked = form.read(JobRequest)
    classes = service.classifiers.classes_of(asked)
    service.classifiers.check(asked)  # what the command line would refuse is refused now
    if asked.start and not form.files:
        raise ProblemError(
            422,
            "expected at least one photograph as `files`, but got none; or send start=false and add photographs later",
        )
    service.store.create(id, ClassifyRequest.model_validate(asked.model_dump(exclude={"start"})), classes)
    job = _known(service, id)
    _write(service, job, form)
    if asked.start:
        _queue(service, _known(service, id), "open")
    return as_job(service, _known(service, id))


def _add(service: Service, job: JobRecord, form: Form) -> Job:
    _write(service, _known(service, job.id), form)  # as it is now; the photographs took a while to arrive
    return _again(service, job)


def _write(service: Service, job: JobRecord, form: Form) -> None:
    _expect(job, "open")
    most = service.settings.max_job_files
    if job.total + len(form.files) > most:
        raise ProblemError(
            413, f"expected at most {counted(most, 'photograph')} in a job, but got more; create another job"
        )
    found = [(one.name, "" if one.error else one.file.name, one.error) for one in form.files]
    moved: list[Path] = []
    try:
        for sent in {Path(file_of(one.file)) for one in form.files if not one.error}:
            moved.append(sent.replace(service.folders.originals(job.id) / sent.name))
        if not service.store.add(job.id, found, form.notes):
            raise ProblemError(409, CHANGED)
    except BaseException:
        for file in moved:
            file.unlink(missing_ok=True)
        raise


def _queue(service: Service, job: JobRecord, *before: str) -> None:
    _expect(job, *before)
    if not job.total:
        raise ProblemError(409, "this job has no photographs yet; send some first")
    if service.store.counts()["queued"] >= service.settings.waiting_jobs:
        raise busy(WAIT, "jobs")
    service.runner.forget_cancel(job.id)
    if not service.store.move(job.id, [job.state], "queued"):
        raise ProblemError(409, CHANGED)
    service.runner.wake()


def _expect(job: JobRecord, *states: str) -> None:
    if job.state not in states:
        hint = f": {job.reason}" if job.state == "failed" else ""
        raise ProblemError(409, f"this job is {job.state}, not {' or '.join(states)}{hint}")


def _known(service: Service, id: str) -> JobRecord:
    found = service.store.find(id)
    if found is None:
        raise ProblemError(404, "the job was deleted in the meantime")
    return found


def _again(service: Service, job: JobRecord) -> Job:
    return as_job(service, _known(service, job.id))


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
