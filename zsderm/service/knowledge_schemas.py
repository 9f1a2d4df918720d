"""The JSON models of answers about diseases, class lists and encoders."""

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
    """How the knowledge base understands a class name."""

    name: str = Field(description="The name as it was given.")
    known: bool
    ambiguous: bool = Field(
        default=False, description="Whether the name may mean several diseases; then the list is refused."
    )
    disease: str | None = Field(default=None, description="The name of this disease in the knowledge base.")
    aliases: list[str] = Field(default_factory=list)
    descriptions: int = 0
    detail: str = Field(default="", description="For an unknown or ambiguous name: what it may mean.")
    suggestions: list[str] = Field(default_factory=list)


class KnownClasses(Model):
    """How the knowledge base understands a class list."""

    classes: list[KnownClass]
    error: str = Field(default="", description="Why the list cannot be used as it is; empty if it can.")


class KnowledgeHit(Model):
    """A name, alias or description found by a search."""

    score: float
    disease: str
    where: str
    text: str


class KnowledgeDescriptions(Model):
    """The descriptions of one disease in the knowledge base."""

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
    """A class list of a public data set."""

    name: str
    title: str
    classes: list[str]


class ModelCard(Model):
    """An encoder."""

    name: str
    loaded: bool = Field(description="Whether this encoder is the one that the service uses.")
    width: int
    image_size: int
    licence: str
    description: str
    views: int


KnowledgeDescriptions.model_rebuild()
