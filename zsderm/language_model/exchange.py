"""One question over HTTP, with a bound on time, on the size of the answer, and on where it may be sent on to."""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from collections.abc import Awaitable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from datetime import timezone
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from ssl import SSLContext
from typing import Any, TypeVar

import httpx2

from zsderm.language_model.address import Address
from zsderm.language_model.failure import Failure

MOST_BYTES = 4_000_000  # of an answer, unpacked: a thousand times what a long one has
MOST_REDIRECTS = 3
# What may be better a moment later: overload, a proxy that lost its server, a model that is still loading.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
# What may be about this question alone: too long, or refused by a filter.
OF_THE_QUESTION = frozenset({400, 413, 422})

Result = TypeVar("Result")


def post(address: Address, question: Mapping[str, Any], timeout: float) -> bytes:
    """The body of the answer to one question.

    Args:
        address: where to ask.
        question: sent as JSON.
        timeout: seconds for all of it, from the search for the host to the last byte.

    Raises:
        Failure: there is no answer, it is not one of success, or it is too large.
    """
    return _finished(_post(address, json.dumps(question).encode(), timeout))


async def _post(address: Address, question: bytes, timeout: float) -> bytes:
    deadline = time.monotonic() + timeout
    try:
        # A proxy of the environment cannot reach this machine by its own name. Time is counted here, in one place.
        async with httpx2.AsyncClient(verify=_trusted(), trust_env=not address.is_local, timeout=None) as client:
            response = await _within(deadline, _answer(client, address, question), again=True)
            try:
                # A server that began to answer is not overloaded: it would be as slow once more.
                body = await _within(deadline, _body(response), again=False)
            finally:
                await response.aclose()
    except httpx2.TransportError as error:
        raise Failure(str(error) or type(error).__name__, again=True) from error
    except httpx2.DecodingError as error:
        raise Failure("its body cannot be unpacked", again=True, of_this_question=True) from error
    except (httpx2.InvalidURL, ValueError, ImportError) as error:  # no name of a host; a proxy that cannot be used
        raise Failure(str(error)) from error
    if response.status_code != HTTPStatus.OK:
        raise _refusal(response, body)
    return body


@cache
def _trusted() -> SSLContext:
    return httpx2.create_ssl_context()  # reads every certificate of the system: once is enough


async def _answer(client: httpx2.AsyncClient, address: Address, question: bytes) -> httpx2.Response:
    """The head of the answer. The question is sent on only where it stays with the server that the user named."""
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if address.authorization:
        headers["Authorization"] = address.authorization
    url = httpx2.URL(address.url)
    for _ in range(MOST_REDIRECTS + 1):
        response = await client.send(client.build_request("POST", url, content=question, headers=headers), stream=True)
        if not response.has_redirect_location:
            return response
        await response.aclose()
        url = _next(url, response)
    raise Failure(f"it sends the question on more than {MOST_REDIRECTS} times")


def _next(url: httpx2.URL, response: httpx2.Response) -> httpx2.URL:
    target = url.join(response.headers["Location"])
    shown = f"{target.scheme}://{target.host}" + (f":{target.port}" if target.port else "")
    origin = (target.scheme, target.host, target.port)
    upgrade = (url.scheme, url.port, *origin) == ("http", None, "https", url.host, None)
    if origin != (url.scheme, url.host, url.port) and not upgrade:
        raise Failure(
            f"it sends the question on to another server, {shown}; name that one as the endpoint if you mean it"
        )
    if response.status_code == HTTPStatus.SEE_OTHER:
        raise Failure("it takes no questions at this address")
    return target


async def _body(response: httpx2.Response) -> bytes:
    body = bytearray()
    async with aclosing(response.aiter_bytes()) as pieces:  # unpacked a piece at a time: a small body may be a huge one
        async for piece in pieces:
            body += piece
            if len(body) > MOST_BYTES:
                raise Failure(f"its body has more than {MOST_BYTES // 10**6} MB", of_this_question=True)
    return bytes(body)


async def _within(deadline: float, work: Awaitable[Result], *, again: bool) -> Result:
    try:
        return await asyncio.wait_for(work, max(0.0, deadline - time.monotonic()))
    except asyncio.TimeoutError:
        raise Failure("it takes longer than the time limit", again=again) from None


def _finished(work: Coroutine[Any, Any, Result]) -> Result:
    """The result of a coroutine, also where an event loop runs already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def _refusal(response: httpx2.Response, body: bytes) -> Failure:
    status = response.status_code
    said = said_in(body) if "html" not in response.headers.get("Content-Type", "") else ""
    name = next((known.phrase for known in HTTPStatus if known == status), "")
    return Failure(
        f"HTTP {status} {name}".strip() + (f": {said}" if said else ""),
        again=status in PASSING,
        after=seconds_to_wait(response.headers.get("Retry-After", "")),
        of_this_question=status in OF_THE_QUESTION,
    )


def said_in(body: bytes) -> str:
    """What a server says is wrong: the message of its JSON, or else all of it."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")
    error = content.get("error", content) if isinstance(content, dict) else content
    message = error.get("message", error.get("detail")) if isinstance(error, dict) else error
    return message if isinstance(message, str) else ""


def seconds_to_wait(retry_after: str) -> float | None:
    """The seconds that a Retry-After header asks for, from a number or a date; None where it says neither.

    >>> seconds_to_wait("1.5")
    1.5
    """
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]*)?", retry_after.strip()):
        return float(retry_after)
    try:
        until = parsedate_to_datetime(retry_after)
        until = until if until.tzinfo else until.replace(tzinfo=timezone.utc)
        seconds = until.timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
