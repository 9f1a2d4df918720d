"""Access control: checks Host, Origin and key of a request, and adds security headers to answers.

A page of another site that is open in the user's browser can send requests to this machine. Host and Origin identify
such requests: a Host that is not ours (DNS rebinding) or an Origin that is not ours is refused. Other origins get no
permissions (no CORS headers).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zsderm.service.problems import answered
from zsderm.service.settings import LOOPBACK, ServiceSettings, is_loopback

COOKIE = "zsderm_session"
# These need no key: health checks, and what a browser needs to ask the user for the key.
OPEN = ("/", "/v1/healthz", "/v1/readyz", "/v1/session", "/openapi.json", "/favicon.ico")
OPEN_BELOW = ("/static/",)

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class Guard:
    """ASGI middleware that refuses requests of other hosts, other origins and clients without the key.

    It also adds security headers to every answer.

    Args:
        app: the application behind it.
        settings: host, host names and key.
    """

    def __init__(self, app: ASGIApp, settings: ServiceSettings) -> None:
        self._app = app
        self._hosts = host_names(settings)
        self._key = None if settings.api_key is None else _digest(settings.api_key)
        self._secret = secrets.token_bytes(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        scope.setdefault("state", {})["guard"] = self
        if scope["method"] == "HEAD":  # the headers of GET; the server leaves the content out
            scope = {**scope, "method": "GET"}
        await (refusal or self._app)(scope, receive, with_headers)

    def session_for(self, key: str) -> str | None:
        """The value of the session cookie for a client that sends the right key; None for a wrong key."""
        if self._key is None or not hmac.compare_digest(_digest(key), self._key):
            return None
        return self._session

    @property
    def _session(self) -> str:
        """Of this run of the server only, so that a restart ends all sessions."""
        return hmac.new(self._secret, self._key or b"", "sha256").hexdigest()

    def _refusal(self, scope: Scope, headers: Headers) -> ASGIApp | None:
        if "transfer-encoding" in headers and "content-length" in headers:
            # Two lengths: a proxy might take one and we the other, and what lies between for a request of its own.
            return answered(
                400,
                "expected Content-Length or Transfer-Encoding, but got both; send one of them",
                {"Connection": "close"},
            )
        host = _name(headers.get("host", ""))
        if self._hosts is not None and host not in self._hosts:
            return answered(
                421,
                "the Host header is not a name of this service; start the service with --host-name NAME to allow it",
            )
        if _is_of_another_page(scope, headers):
            return answered(
                403, "the request comes from a page of another site and is refused; use the page of this service"
            )
        path = scope["path"]
        if self._key is None or path in OPEN or path.startswith(OPEN_BELOW):
            return None
        if self._has_key(headers):
            return None
        return answered(
            401,
            "the key is missing or wrong; send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`",
            {"WWW-Authenticate": "Bearer"},
        )

    def _has_key(self, headers: Headers) -> bool:
        """Compared in constant time, and as digests, so that not even the length shows."""
        kind, _, given = headers.get("authorization", "").partition(" ")
        given = given.strip() if kind.lower() == "bearer" else headers.get("x-api-key", "")
        assert self._key is not None
        if hmac.compare_digest(_digest(given), self._key):
            return True
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and hmac.compare_digest(_digest(cookie.value), _digest(self._session))


def host_names(settings: ServiceSettings) -> frozenset[str] | None:
    """Allowed names in the Host header; None allows any name (the service listens on all addresses, without names)."""
    if not is_loopback(settings.host) and not settings.host_names and settings.host in ("0.0.0.0", "::"):
        return None
    names = {_name(settings.host), *map(_name, settings.host_names)}
    return frozenset(names | set(LOOPBACK))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def _name(host: str) -> str:
    """The name in ``name:port``, in lower case, without the brackets of IPv6."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() and ":" not in name else host).lower().rstrip(".")


def _same(origin: str, host: str) -> bool:
    """Whether an Origin is the page of this service: same name and port; the scheme is the proxy's affair."""
    try:
        return urlsplit(origin).netloc.lower() == host.lower() != ""
    except ValueError:
        return False


def _is_of_another_page(scope: Scope, headers: Headers) -> bool:
    """Whether a page of another site asks, by its Origin, or by what the browser says where there is none."""
    origin = headers.get("origin")
    if origin is not None:
        return not _same(origin, headers.get("host", ""))
    return headers.get("sec-fetch-site") in ("cross-site", "same-site") and not _is_visit(scope, headers)


def _is_visit(scope: Scope, headers: Headers) -> bool:
    """Whether somebody followed a link from another site to the page, which is no request of that site."""
    return scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate" and scope["path"] == "/"
