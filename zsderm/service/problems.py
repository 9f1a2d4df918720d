"""Errors in one form, RFC 9457 (application/problem+json): what kind, and one sentence that says what to do."""

from __future__ import annotations

import errno
import logging
import traceback
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from zsderm.errors import ZsdermError
from zsderm.service.schemas import FieldError, Problem

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: "Bad request",
    401: "Key missing or wrong",
    403: "Refused",
    404: "Not found",
    405: "Method not allowed",
    409: "Not now",
    413: "Too large",
    415: "Wrong type",
    416: "No such part",
    421: "Wrong host",
    422: "Cannot be used",
    500: "Defect",
    503: "Busy",
    507: "Disk full",
}
FULL = "the disk of the service is full; free some space there and try again"
_FULL = {errno.ENOSPC, errno.EDQUOT}


class ProblemError(Exception):
    """An error that becomes a problem answer (RFC 9457).

    Args:
        status: HTTP status code.
        detail: one sentence that says what to do, without file names of patients and without paths of the server.
        headers: further headers of the answer.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})


def busy(seconds: int, what: str = "photographs") -> ProblemError:
    """Error 503: the queue is full, with the seconds to wait in Retry-After."""
    detail = f"too many {what} are waiting; try again in {seconds} s"
    return ProblemError(503, detail, {"Retry-After": str(seconds)})


def ending() -> ProblemError:
    """Error 503: the service is stopping."""
    return ProblemError(503, "the service is stopping; try again after its next start", {"Retry-After": "30"})


def answered(
    status: int, detail: str, headers: Mapping[str, str] | None = None, errors: list[FieldError] | None = None
) -> JSONResponse:
    """The answer to a request that went wrong."""
    title = TITLES.get(status, "Error")
    kind = f"urn:zsderm:{title.lower().replace(' ', '-')}"
    problem = Problem(type=kind, title=title, status=status, detail=detail, errors=errors)
    content = problem.model_dump(mode="json", exclude_none=True)
    return JSONResponse(content, status, dict(headers or {}), media_type=MEDIA_TYPE)


def is_full(error: BaseException) -> bool:
    """Whether an error says that the disk is full."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _FULL:
            return True
        if "database or disk is full" in str(cause):
            return True
        cause = cause.__cause__
    return False


def install(app: FastAPI) -> None:
    """Answer every error of an application as a problem."""

    @app.exception_handler(ProblemError)
    async def problem(request: Request, error: ProblemError) -> JSONResponse:
        return answered(error.status, error.detail, error.headers)

    @app.exception_handler(ZsdermError)
    async def mistake(request: Request, error: ZsdermError) -> JSONResponse:
        if is_full(error):
            return answered(507, FULL)
        return answered(422, str(error))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        return answered(error.status_code, _sentence(error), error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        if _is_no_json(request, error):
            return answered(415, "expected JSON, sent with the header Content-Type: application/json")
        found = [
            FieldError(field="request", detail="this is not valid JSON")
            if one["type"] == "json_invalid"
            else FieldError(field=_place(one["loc"]), detail=str(one["msg"]).removeprefix("Value error, "))
            for one in error.errors()
        ]
        detail = "; ".join(f"{one.field}: {one.detail}" for one in found)
        return answered(422, detail or "the request cannot be read", errors=found)


def defect(error: Exception) -> JSONResponse:
    """The answer to an unexpected error; the log names the lines of code."""
    if is_full(error):
        return answered(507, FULL)
    log.error("a defect: %s", where(error))
    return answered(500, f"the service has a defect ({type(error).__name__}); its log names the lines of code")


def where(error: BaseException) -> str:
    """The kind of an error and the lines of code that it came through, without its text: a name may be in that."""
    lines = "".join(traceback.format_tb(error.__traceback__))
    return f"{type(error).__name__}\n{lines}"


def _sentence(error: HTTPException) -> str:
    if error.status_code == 404:
        return "this address does not exist; /openapi.json lists all addresses"
    if error.status_code == 405:
        return "this address does not accept this HTTP method; /openapi.json lists the methods"
    return str(error.detail)


def _is_no_json(request: Request, error: RequestValidationError) -> bool:
    """Whether what was sent is not even said to be JSON, as curl does without a header."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    whole = any(tuple(one["loc"]) == ("body",) and one["type"] != "missing" for one in error.errors())
    return whole and kind != "application/json" and not kind.endswith("+json")


def _place(parts: tuple[int | str, ...]) -> str:
    """Where in a request, without the word for which part of it; a field may be called so, too (`query`)."""
    own = parts[1:] if parts and parts[0] in ("body", "query", "path") else parts
    return ".".join(map(str, own)) or "request"


# For the documentation of a route: every error has this form.
RESPONSES: dict[int | str, dict[str, object]] = {
    "default": {
        "description": "An error, as problem details (RFC 9457)",
        "model": Problem,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}
