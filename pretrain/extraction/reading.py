"""What a caption names, and whether it affirms it: diseases of a knowledge base, and visual concepts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zsderm import KnowledgeBase
from zsderm.pretrain.extraction.mentions import Mention, PhraseTable, Speller, Token, tokens_of
from zsderm.pretrain.extraction.ontology import Ontology
from zsderm.pretrain.extraction.scope import Status, status_of
from zsderm.pretrain.extraction.terms import CaptionTerms


@dataclass(frozen=True)
class Finding:
    """One thing that a caption names."""

    names: tuple[str, ...]  # canonical; several diseases for an abbreviation that may mean each, several concepts too
    text: str  # as it stands in the caption
    status: Status
    trigger: str  # the word that makes it denied, doubted or past
    corrected: bool  # whether it was misspelt
    length: int  # words
    sign: bool = False  # a disease whose name is that of a concept too, such as a scar


@dataclass(frozen=True)
class Reading:
    """Everything that a caption names, in its order."""

    diseases: tuple[Finding, ...]
    concepts: tuple[Finding, ...]
    words: frozenset[str]  # folded

    def affirmed_concepts(self) -> set[str]:
        """Concepts that the caption says are there."""
        return {name for f in self.concepts if f.status is Status.AFFIRMED for name in f.names}


class CaptionReader:
    """Finds the diseases and concepts that captions name.

    Words inside the name of a disease say nothing else: a rodent ulcer is no ulcer, a blue nevus is not blue.

    Args:
        knowledge: diseases, their aliases and abbreviations; its sentences also tell which words are spelt right.
        terms: the concepts.
    """

    def __init__(self, knowledge: KnowledgeBase, terms: CaptionTerms | None = None) -> None:
        self.knowledge = knowledge
        self.terms = terms or CaptionTerms.load()
        self.ontology = Ontology.load()
        diseases = knowledge.diseases.values()
        self._diseases = PhraseTable(
            [
                *((name, disease.name) for disease in diseases for name in (disease.name, *disease.aliases)),
                *((short, name) for short, names in knowledge.card.ambiguous.items() for name in names),
            ]
        )
        self._concepts = PhraseTable(self.terms.phrases)
        seen = {t.word for description in knowledge.descriptions for t in tokens_of(description.text)}
        self.speller = Speller(frozenset(self._diseases.words | self._concepts.words), frozenset(seen))

    def read(self, caption: str) -> Reading:
        """The findings of one caption, each with what the caption says of it."""
        tokens = tokens_of(caption, self.speller)
        diseases, concepts = self._diseases.find(tokens), self._concepts.find(tokens)
        spans = {(mention.first, mention.last) for mention in concepts}
        signs = [(mention.first, mention.last) in spans for mention in diseases]
        named = {
            place
            for mention, sign in zip(diseases, signs, strict=True)
            if not sign
            for place in range(mention.first, mention.last)
        }
        return Reading(
            tuple(_finding(caption, tokens, *found) for found in zip(diseases, signs, strict=True)),
            tuple(_finding(caption, tokens, m) for m in concepts if not named & set(range(m.first, m.last))),
            frozenset(token.word for token in tokens),
        )

    def path(self, disease: str) -> tuple[str, ...]:
        """The place of a disease in the ontology, from general to specific, without the disease itself."""
        return self.ontology.path(self.knowledge.diseases[disease].ontology)


def _finding(caption: str, tokens: Sequence[Token], mention: Mention, sign: bool = False) -> Finding:
    status, trigger = status_of(caption, tokens, mention.first, mention.last)
    length = mention.last - mention.first
    return Finding(mention.meanings, mention.text, status, trigger, mention.corrected, length, sign)
