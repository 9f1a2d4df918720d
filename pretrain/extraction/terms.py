"""The visual concepts that captions are searched for, in groups, with every word that says them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from zsderm.errors import InputError
from zsderm.pretrain.extraction.ontology import FOLDER
from zsderm.tasks.concepts.concept_list import ConceptVocabulary


@dataclass(frozen=True)
class CaptionTerms:
    """Concepts with the names of the bundled concept vocabularies.

    Attributes:
        groups: "type", "secondary feature", "texture", "colour", "dermoscopic structure": the concepts of each.
        phrases: pairs of a phrase and the concept it says.
    """

    groups: Mapping[str, tuple[str, ...]]
    phrases: tuple[tuple[str, str], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All concepts, group by group: the order of a visual concept caption."""
        return tuple(name for group in self.groups.values() for name in group)

    @classmethod
    @cache
    def load(cls) -> CaptionTerms:
        """The bundled ones: caption words, and the terms of the vocabularies that they name.

        Raises:
            InputError: the concepts are not those of the vocabularies.
        """
        record = json.loads((FOLDER / "terms.json").read_text(encoding="utf-8"))
        known = [c for name in record["vocabularies"] for c in ConceptVocabulary.load(name).concepts]
        groups = {group: tuple(concepts) for group, concepts in record["groups"].items()}
        listed = sorted(name for names in groups.values() for name in names)
        if listed != sorted(concept.name for concept in known):
            raise InputError("expected caption terms for exactly the concepts of their vocabularies; see terms.json.")
        words = {name: found for concepts in record["groups"].values() for name, found in concepts.items()}
        phrases = [(text, c.name) for c in known for text in (c.name, *c.terms, *words[c.name])]
        return cls(groups, tuple(phrases))
