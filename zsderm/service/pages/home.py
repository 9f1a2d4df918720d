"""The page at /."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from zsderm.config import METHODS
from zsderm.encoders import Encoder
from zsderm.encoders.base import home_of
from zsderm.images import SUFFIXES
from zsderm.service.pages.rendering import page
from zsderm.service.routes.asked import Running
from zsderm.service.schemas import ClassifyRequest

router = APIRouter()

METHOD_WORDS = {
    "kpl": "kpl: sentences refined by photographs",
    "knowledge": "knowledge: retrieved sentences only",
    "descriptions": "descriptions: all sentences of a class",
    "templates": "templates: names in template sentences",
    "class-name": "class-name: class names alone",
}


@router.get("/")
def home(service: Running) -> HTMLResponse:
    """The page to work on. It holds no photograph and no answer, so that it needs no key."""
    how, fitted = service.settings, service.classifiers.fitted
    usual = ClassifyRequest.model_fields
    facts = {
        "fixed": None if fitted is None else list(fitted.classes),
        "keyNeeded": how.api_key is not None,
        "suffixes": sorted({*SUFFIXES, ".zip"}),
        "maxFileBytes": how.max_file_bytes,
        "maxRequestBytes": how.max_request_bytes,
        "maxFiles": how.max_files,
        "maxJobFiles": how.max_job_files,
        "knowledge": service.knowledge is not None,
    }
    return page(
        "home.html.j2",
        facts=facts,
        model=service.engine.encoder.card.name,
        knowledge=service.knowledge,
        keep=_hours(how.keep_hours),
        fixed=facts["fixed"],
        methods={name: METHOD_WORDS[name] for name in METHODS},
        usual={name: field.default for name, field in usual.items()},
        has_home=_is_at_home(service.engine.encoder),
        key_needed=facts["keyNeeded"],
    )


def _is_at_home(encoder: Encoder) -> bool:
    """Whether prior "home" can be asked for."""
    home = home_of(encoder)
    return home is not None and bool(home.diagnoses)


def _hours(hours: float) -> str:
    """How long, as people say it: "3 days", "12 hours"."""
    days = hours / 24
    if days >= 2 and days == int(days):
        return f"{int(days)} days"
    return f"{hours:g} hour{'' if hours == 1 else 's'}"
