"""Styles, scripts and the icon of the pages. Colours and pieces are those of the report."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

from zsderm.report.template import TEMPLATES as REPORT
from zsderm.service.problems import ProblemError

router = APIRouter()

OWN = Path(__file__).resolve().parents[1] / "static"
# What there is, by its address. Nothing of a request becomes a path.
FILES = {file.name: file for file in sorted(OWN.iterdir()) if file.suffix in (".css", ".js", ".svg")}
FILES |= {name: REPORT / name for name in ("report.css", "workbench.css")}


@router.get("/static/{name}")
def static(name: str) -> FileResponse:
    """One file of a page."""
    if name not in FILES:
        raise ProblemError(404, "this address does not exist; /openapi.json lists all addresses")
    kind = "text/javascript" if name.endswith(".js") else mimetypes.guess_type(name)[0]
    # Asked for anew each time: a newer version of the service must not meet an older script.
    return FileResponse(FILES[name], media_type=kind, headers={"cache-control": "no-cache"})


@router.get("/favicon.ico")
def icon() -> FileResponse:
    """For browsers that ask at the old place."""
    return static("icon.svg")
