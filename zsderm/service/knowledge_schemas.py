"""What is answered of diseases, class lists and models, as JSON."""

from __future__ import annotations

from pydantic import Field

from zsderm.service.schemas import Model


class KnowledgeCard(Model):
    """The knowledge base that the service uses."""

    name: str
    version: str
    diseases: int
    descriptions: int
    licence: str
    checksum: str


class KnownClass(Model):
    """A class name as it is understood."""

    name: str = Field(description="As it was given.")
    known: bool
    ambiguous: bool = Field(default=False, description="It may mean several diseases, so the list is refused.")
    disease: str | None = Field(default=None, description="What the knowledge base calls it.")
    aliases: list[str] = Field(default_factory=list)
    descriptions: int = 0
    detail: str = Field(default="", description="Where it is not known: what may be meant.")
    suggestions: list[str] = Field(default_factory=list)


class KnownClasses(Model):
    """A class list as it is understood."""

    classes: list[KnownClass]
    error: str = Field(default="", description="Why the list cannot be used as it is; empty when it can.")


class KnowledgeHit(Model):
    """A name, alias or description that a search met."""

    score: float
    disease: str
    where: str
    text: str


class KnowledgeDescriptions(Model):
    """What the knowledge base says of one disease."""

    disease: str
    aliases: list[str]
    descriptions: list[KnowledgeSentence]


class KnowledgeSentence(Model):
    """One description of a disease."""

    text: str
    aspect: str
    modality: str
    source: str


class ClassList(Model):
    """A list of classes that can be chosen."""

    name: str
    title: str
    classes: list[str]


class ModelCard(Model):
    """An encoder."""

    name: str
    loaded: bool = Field(description="Whether it is the one that answers here.")
    width: int
    image_size: int
    licence: str
    description: str
    views: int


KnowledgeDescriptions.model_rebuild()
