"""Sessions of the page: it sends the key once, and uses a cookie until the server stops."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from zsderm.service.problems import ProblemError
from zsderm.service.schemas import SessionRequest
from zsderm.service.security import COOKIE

router = APIRouter(prefix="/v1", tags=["session"])


@router.post("/session", operation_id="open_session", summary="Open a session with the key", status_code=204)
def open_session(request: Request, asked: SessionRequest) -> Response:
    """Check the key and set a session cookie (HttpOnly, SameSite=Strict) for the page. Programs send the key itself."""
    session = request.state.guard.session_for(asked.key)
    if session is None:
        raise ProblemError(401, "this is not the key of this service", {"WWW-Authenticate": "Bearer"})
    response = Response(status_code=204)
    secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
    response.set_cookie(COOKIE, session, httponly=True, samesite="strict", secure=secure)
    return response


@router.delete("/session", operation_id="close_session", summary="Close the session", status_code=204)
def close_session() -> Response:
    """Delete the session cookie."""
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response
