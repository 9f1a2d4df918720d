"""Whether the client of a request still waits for its answer; the code that does the work can check it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from zsderm.service.problems import ProblemError

P = ParamSpec("P")
T = TypeVar("T")

_ask: ContextVar[Callable[[], None] | None] = ContextVar("_ask", default=None)


def expect_asker() -> None:
    """Check that the client still waits.

    Raises:
        Exception: the client no longer waits; raised by the function given to `asking`.
    """
    if (ask := _ask.get()) is not None:
        ask()


@contextmanager
def asking(ask: Callable[[], None]) -> Iterator[None]:
    """Within the block, `expect_asker` calls the given function, which raises once the client no longer waits."""
    token = _ask.set(ask)
    try:
        yield
    finally:
        _ask.reset(token)


async def in_thread(request: Request, function: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """Run a function in a thread for a request that was read completely; `expect_asker` notices a disconnect.

    Raises:
        ProblemError: the client disconnected; nobody receives this error.
    """
    gone = threading.Event()

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone.set()

    def ask() -> None:
        if gone.is_set():
            raise ProblemError(400, "the client disconnected before the answer was ready")

    watching = asyncio.create_task(watch())
    try:
        with asking(ask):
            return await run_in_threadpool(function, *args, **named)
    finally:
        watching.cancel()
