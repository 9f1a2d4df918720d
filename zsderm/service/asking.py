"""Whether somebody still waits for what is being worked at, known wherever the work is done."""

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
    """Go on only where somebody still waits.

    Raises:
        Exception: what `asking` was given raises, where nobody does.
    """
    if (ask := _ask.get()) is not None:
        ask()


@contextmanager
def asking(ask: Callable[[], None]) -> Iterator[None]:
    """Within the block `expect_asker` calls a function, which raises once nobody waits."""
    token = _ask.set(ask)
    try:
        yield
    finally:
        _ask.reset(token)


async def in_thread(request: Request, function: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """Run a function in a thread on behalf of a request, of which all was read; `expect_asker` sees its client go.

    Raises:
        ProblemError: the client has gone, which nobody reads.
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
