"""The HTTP routes, one file a noun."""

from __future__ import annotations

from zsderm.service.routes import (
    annotate,
    classify,
    embed,
    health,
    jobs,
    knowledge,
    models,
    photographs,
    retrieve,
    review,
    session,
)

ROUTERS = tuple(
    noun.router
    for noun in (
        classify,
        jobs,
        photographs,
        review,
        embed,
        annotate,
        retrieve,
        knowledge,
        models,
        health,
        session,
    )
)
