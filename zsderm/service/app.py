"""The application, from its settings."""

from __future__ import annotations

import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from zsderm import __version__
from zsderm.errors import ZsdermError, ZsdermWarning
from zsderm.service import pages, problems, routes
from zsderm.service.running import Service
from zsderm.service.schemas import DISCLAIMER
from zsderm.service.security import Guard
from zsderm.service.settings import ServiceSettings


def make_app(settings: ServiceSettings | None = None) -> FastAPI:
    """Create the application. At startup it loads the model and continues its jobs; at shutdown it stops them.

    Args:
        settings: by default, the defaults of `ServiceSettings`.
    """
    settings = settings or ServiceSettings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            service = await run_in_threadpool(Service.start, settings)
        except ZsdermError as error:
            app.state.failure = error  # the server says that it did not start, and not why
            raise
        app.state.service = service
        # Answers have them as notes; in the log they would be what somebody typed.
        warnings.filterwarnings("ignore", category=ZsdermWarning)
        try:
            yield
        finally:
            await run_in_threadpool(service.stop)

    app = FastAPI(
        title="zsderm",
        version=__version__,
        description=f"Classify skin photographs without training. {DISCLAIMER}",
        lifespan=lifespan,
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        responses=problems.RESPONSES,
    )
    app.state.settings, app.state.failure = settings, None
    problems.install(app)
    for router in routes.ROUTERS:
        app.include_router(router)
    pages.install(app)
    app.middleware("http")(_counted)
    app.add_middleware(Guard, settings=settings)  # the last one stands first
    return app


async def _counted(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Count a request by its route, never by its address."""
    started = time.monotonic()
    try:
        response = await call_next(request)
    except ClientDisconnect:  # nobody is there to read it, and nothing is wrong here
        response = problems.answered(400, "the request ended before it was complete; send it again")
    except Exception as error:  # noqa: BLE001  # here and not outside, where nothing adds headers any more
        if request.app.state.service.classifiers.texts.ended:  # what was cut off at the end is no defect
            gone = problems.ending()
            response = problems.answered(gone.status, gone.detail, gone.headers)
        else:
            response = problems.defect(error)
    if response.status_code in (400, 416) and response.headers.get("content-type", "").startswith("text/plain"):
        response = problems.answered(response.status_code, "the header Range is not supported here; leave it out")
    route = getattr(request.scope.get("route"), "path", "none")
    metrics = request.app.state.service.metrics
    metrics.requests.labels(route, response.status_code).inc()
    metrics.seconds.labels(route).observe(time.monotonic() - started)
    return response
