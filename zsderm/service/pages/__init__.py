"""The pages for people: one to work on, and one to print.

home       the page at /
printed    the printable summary of a job
summaries  what the page needs to know of all photographs of a job, and all names of diseases
rendering  templates become HTML
files      styles, scripts and the icon

A page without the key shows only what anybody may know; all else it asks for over HTTP, as programs do.
"""

from __future__ import annotations

from fastapi import FastAPI

from zsderm.service.pages import files, home, printed, summaries


def install(app: FastAPI) -> None:
    """Add the pages to an application; none of their addresses is part of the HTTP interface."""
    for room in (home, printed, summaries, files):
        app.include_router(room.router, include_in_schema=False)


__all__ = ["install"]
