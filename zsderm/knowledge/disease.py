"""One disease of a knowledge base: its names, its place among the others, and the sentences that describe it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from zsderm.errors import InputError
from zsderm.knowledge import library
from zsderm.knowledge.authoring.vocabulary import shown_by


@dataclass(frozen=True)
class Description:
    """One visible sign of a disease, in 8 to 30 words that do not name it."""

    text: str
    disease: str  # canonical name
    aspect: str  # what it describes: "colour", "surface and scale", ... (vocabulary.ASPECTS)
    modality: str  # one of zsderm.modalities.MODALITIES, or "either": clinical and dermoscopic
    source: str  # who says so; the name of the knowledge base where its file says nothing
    shows: str = ""  # what must be in view: "lesion", "place", ... (vocabulary.SHOWS); empty: as its aspect says

    def __post_init__(self) -> None:
        """Derive what the file does not say."""
        if not self.shows:
            object.__setattr__(self, "shows", shown_by(self.aspect))


@dataclass(frozen=True)
class Disease:
    """One disease: its names, its place among the others, and what it looks like."""

    name: str
    aliases: tuple[str, ...] = ()
    ontology: tuple[str, ...] = ()  # path from general to specific, without the disease itself
    sites: tuple[str, ...] = ()
    concepts: tuple[str, ...] = ()
    descriptions: tuple[Description, ...] = ()

    @classmethod
    def from_record(cls, place: str, record: Mapping[str, object], source: str) -> Disease:
        """A disease from one line of a .jsonl file. Only its name is demanded here; `validate` demands the rest.

        Args:
            place: file and line, for the error.
            record: the parsed line.
            source: used for texts that name no source.

        Raises:
            InputError: if a value is not of the kind that its key asks for.
        """
        name = library.text_field(place, record, "name")
        stored = record.get("descriptions", [])
        if not isinstance(stored, list) or not all(isinstance(item, dict) for item in stored):
            raise InputError(f"{place}: expected 'descriptions' to be a list of objects, but got {stored!r:.80}.")
        return cls(
            name=name,
            aliases=library.texts_field(place, record, "aliases"),
            ontology=library.texts_field(place, record, "ontology"),
            sites=library.texts_field(place, record, "sites"),
            concepts=library.texts_field(place, record, "concepts"),
            descriptions=tuple(_description(place, item, name, source) for item in stored),
        )


def _description(place: str, record: Mapping[str, object], disease: str, source: str) -> Description:
    return Description(
        text=library.text_field(place, record, "text"),
        disease=disease,
        aspect=library.text_field(place, record, "aspect", default="unspecified"),
        modality=library.text_field(place, record, "modality", default="either"),
        source=library.text_field(place, record, "source", default=source),
        shows=library.text_field(place, record, "shows") if "shows" in record else "",
    )
