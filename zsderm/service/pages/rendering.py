"""Templates become HTML: everything in them is text, and no text of others steers the page."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from fastapi.responses import HTMLResponse
from jinja2 import Environment

from zsderm import __version__
from zsderm.report.template import environment
from zsderm.service.schemas import DISCLAIMER

TEMPLATES = Path(__file__).resolve().parents[1] / "templates"


def page(template: str, **content: object) -> HTMLResponse:
    """A page from a file in ``zsderm/service/templates``.

    Args:
        template: its name.
        content: what it names, besides ``version`` and ``disclaimer``.
    """
    text = _environment().get_template(template).render(version=__version__, disclaimer=DISCLAIMER, **content)
    return HTMLResponse(text.encode("utf-8", "replace"))  # a file name need not be valid Unicode


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return environment(TEMPLATES)
