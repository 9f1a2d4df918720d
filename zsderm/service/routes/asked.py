"""Shared parts of the routes: the service, the job in the address, and a form with photographs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, Path, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from zsderm.service.jobs.records import JobRecord
from zsderm.service.problems import ProblemError
from zsderm.service.running import Service
from zsderm.service.uploads import Form, read_form

FILES = "The photographs: JPEG, PNG, WebP, TIFF, BMP, GIF, HEIC, AVIF or DICOM files, or ZIP archives of such files."


def _service(request: Request) -> Service:
    return request.app.state.service


Running = Annotated[Service, Depends(_service)]


def _job(
    service: Running,
    job: Annotated[str, Path(max_length=64, description="The id of the job, from the answer that created it.")],
) -> JobRecord:
    """The job in the address.

    Raises:
        ProblemError: 404, there is no such job.
    """
    found = service.store.find(job)
    if found is None:
        raise ProblemError(404, "there is no such job; it may have been deleted because its storage time was over")
    return found


Found = Annotated[JobRecord, Depends(_job)]


@asynccontextmanager
async def photographs(request: Request, most: int | None = None) -> AsyncIterator[Form]:
    """The form of a request with at least one photograph; its files are deleted after the block.

    Args:
        request: a request of which nothing was read yet.
        most: limit on the photographs; by default the one in the settings of the service.

    Raises:
        ProblemError: see `read_form`; 422 without a photograph.
    """
    service = _service(request)
    how = service.settings
    with service.upload_folder() as folder:
        form = await read_form(
            request,
            folder,
            max_bytes=how.max_request_bytes,
            max_file_bytes=how.max_file_bytes,
            max_files=most or how.max_classify_files,
        )
        await run_in_threadpool(service.contents.spread, form, most or how.max_classify_files)
        if not form.files:
            raise ProblemError(422, "expected at least one photograph as `files`, but got none")
        yield form


def form_of(model: type[BaseModel] | None = None, *, required: bool = True) -> dict[str, Any]:
    """The description of a form with photographs for /openapi.json.

    Args:
        model: its other fields.
        required: whether at least one photograph is required.
    """
    fields = {} if model is None else model.model_json_schema()["properties"]
    files = {"type": "array", "items": {"type": "string", "format": "binary"}, "description": FILES}
    schema = {"type": "object", "properties": {"files": files, **fields}, "required": ["files"] if required else []}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}
