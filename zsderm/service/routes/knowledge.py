"""The knowledge base of the service: names, descriptions, and class lists to choose from."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from zsderm.errors import AmbiguousClassError, NotFoundError, UnknownClassError, ZsdermError
from zsderm.knowledge import KnowledgeBase
from zsderm.knowledge.class_names import disease_of
from zsderm.knowledge.code_sets import read_codes
from zsderm.knowledge.search import search as find_hits
from zsderm.knowledge.search import search_names
from zsderm.service.answers import MOST_CLASSES, harmless_names
from zsderm.service.knowledge_schemas import (
    ClassList,
    KnowledgeCard,
    KnowledgeDescriptions,
    KnowledgeHit,
    KnowledgeSentence,
    KnownClass,
    KnownClasses,
)
from zsderm.service.problems import ProblemError
from zsderm.service.routes.asked import Running
from zsderm.service.running import Service
from zsderm.typed_classes import checked_names, typed_names

router = APIRouter(prefix="/v1/knowledge", tags=["knowledge"])

MOST_SUGGESTED = 10  # unknown names of one request that get suggestions: each search takes a while

Name = Annotated[str, Query(min_length=1, max_length=200)]


@router.get("", operation_id="knowledge", summary="The knowledge base")
def card(service: Running) -> KnowledgeCard:
    """Name, version and size of the knowledge base that describes the classes."""
    base = _base(service)
    return KnowledgeCard(
        name=base.name,
        version=base.version,
        diseases=len(base.diseases),
        descriptions=len(base),
        licence=base.card.licence,
        checksum=base.checksum,
    )


@router.get("/classes", operation_id="check_classes", summary="How a class list is understood")
def check_classes(
    service: Running,
    classes: Annotated[
        str, Query(max_length=20_000, description="Names with commas.", examples=["melanoma, BCC, mole"])
    ],
) -> KnownClasses:
    """The disease that the knowledge base finds for each name, with suggestions for the first ten unknown names."""
    names, error = typed_names(classes), ""
    try:
        checked_names(harmless_names(names), classes)
    except ZsdermError as mistake:
        error = str(mistake)
    if len(names) > MOST_CLASSES:
        raise ProblemError(422, f"expected at most {MOST_CLASSES} classes in one request, but got {len(names)}")
    reading = read_codes(names)  # as answering does: in a list of codes of one data set each of them is plain
    found = [_known(service.knowledge, name, reading.meaning(name)) for name in names]
    error = error or next((one.detail for one in found if one.ambiguous), "")
    if service.knowledge is not None:
        for one in [one for one in found if not one.known and not one.ambiguous][:MOST_SUGGESTED]:
            one.suggestions = suggestions(service.knowledge, one.name)
    return KnownClasses(classes=found, error=error)


@router.get("/search", operation_id="search_knowledge", summary="Find names and descriptions")
def search(service: Running, query: Name, limit: Annotated[int, Query(ge=1, le=100)] = 10) -> list[KnowledgeHit]:
    """The names, aliases and descriptions that match the query, best first."""
    return [
        KnowledgeHit(score=hit.score, disease=hit.disease, where=hit.where, text=hit.text)
        for hit in find_hits(_base(service), query, limit)
    ]


@router.get("/descriptions", operation_id="descriptions", summary="The descriptions of a disease")
def descriptions(service: Running, name: Name) -> KnowledgeDescriptions:
    """All descriptions of a disease, by its name or an alias, in any spelling."""
    try:
        found = _base(service).find(name)
    except NotFoundError as error:
        raise ProblemError(404, str(error)) from error
    texts = [
        KnowledgeSentence(text=text.text, aspect=text.aspect, modality=text.modality, source=text.source)
        for text in found.descriptions
    ]
    return KnowledgeDescriptions(disease=found.name, aliases=list(found.aliases), descriptions=texts)


@router.get("/lists", operation_id="class_lists", summary="Lists of classes to choose from")
def class_lists() -> list[ClassList]:
    """The class lists of public data sets."""
    from zsderm.benchmarks.datasets import cards

    return [ClassList(name=name, title=card.title, classes=list(card.classes)) for name, card in cards().items()]


def _base(service: Service) -> KnowledgeBase:
    if service.knowledge is None:
        raise ProblemError(404, "this service has no knowledge base; start it with --knowledge NAME to use one")
    return service.knowledge


def _known(base: KnowledgeBase | None, name: str, meaning: str) -> KnownClass:
    """What a name is taken for; as a code it has a meaning, by which it goes where the base does not know it."""
    if base is None:
        return KnownClass(name=name, known=False)
    try:
        found = disease_of(name, base) or base.find(meaning)
    except AmbiguousClassError as error:
        return KnownClass(name=name, known=False, ambiguous=True, detail=str(error), suggestions=list(error.meanings))
    except UnknownClassError as error:
        return KnownClass(name=name, known=False, detail=str(error))
    return KnownClass(
        name=name,
        known=True,
        disease=found.name,
        aliases=list(found.aliases),
        descriptions=len(found.descriptions),
    )


def suggestions(base: KnowledgeBase, name: str, most: int = 5) -> list[str]:
    """Diseases with a name or an alias similar to the given name, best first."""
    return list(dict.fromkeys(hit.disease for hit in search_names(base, name, 30)))[:most]
