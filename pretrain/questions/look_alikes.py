"""What a picture of a disease does not show, according to the knowledge base: similar diseases and their signs.

A caption that does not mention scale does not say that there is none. The answer "no" therefore needs a justification:
the caption denies the sign, or the knowledge base lists it for a similar disease and nowhere for the disease itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cached_property

from zsderm.knowledge.names import words
from zsderm.modalities import shown_in
from zsderm.pretrain.extraction.reading import CaptionReader
from zsderm.pretrain.questions.colours import possible_colours

NEAREST, NEAREST_HERE = 12, 5  # look-alikes of a disease, and those that the table adds
_STEP = 0.15  # what a shared group of the ontology counts beside shared concepts, which count at most 1


class LookAlikes:
    """Finds similar diseases, and the signs and colours of each disease.

    Args:
        reader: knows diseases and concepts.
    """

    def __init__(self, reader: CaptionReader) -> None:
        self._reader = reader
        self._diseases = reader.knowledge.diseases
        self._near: dict[str, tuple[str, ...]] = {}
        self._signs: dict[str, frozenset[str]] = {}
        self._colours: dict[tuple[str, str], frozenset[str]] = {}

    def near(self, disease: str, among: Collection[str] = ()) -> tuple[str, ...]:
        """The diseases most similar to one, most similar first, without its possible subtypes and supertypes.

        Args:
            disease: canonical name.
            among: the diseases of the table; the five most similar ones of them are added.
        """
        ranked = self._ranked(disease)
        return (*ranked[:NEAREST], *[name for name in ranked[NEAREST:] if name in among][:NEAREST_HERE])

    def _ranked(self, disease: str) -> tuple[str, ...]:
        """All diseases that share a concept or a group with one."""
        if disease not in self._near:
            own = self._diseases[disease]
            path = self._reader.path(disease)
            scored = []
            for name, other in self._diseases.items():
                if name == disease or self._may_be_one(disease, name) or self._is_sign(name):
                    continue
                either = {*own.concepts, *other.concepts}
                shared = len({*own.concepts} & {*other.concepts}) / len(either) if either else 0.0
                depth = _shared(path, self._reader.path(name))
                if shared or depth:
                    scored.append((-(shared + _STEP * depth), name))
            self._near[disease] = tuple(name for _, name in sorted(scored))
        return self._near[disease]

    def signs(self, disease: str) -> frozenset[str]:
        """The concepts that the knowledge base mentions for a disease, in its list or in any sentence."""
        if disease not in self._signs:
            own = self._diseases[disease]
            texts = (*own.concepts, *(description.text for description in own.descriptions))
            self._signs[disease] = frozenset(n for t in texts for f in self._reader.read(t).concepts for n in f.names)
        return self._signs[disease]

    def absent(self, disease: str) -> frozenset[str]:
        """The concepts that are listed for similar diseases and not mentioned for the disease."""
        own = self.signs(disease)
        return frozenset(n for other in self.near(disease) for n in self._listed(other)) - own

    def absent_colours(self, disease: str, colours: Iterable[str], modality: str) -> frozenset[str]:
        """The colours to which no sentence on a disease comes near, for pictures of one modality."""
        key = (disease, modality)
        if key not in self._colours:
            told = self._diseases[disease]
            kept = [d.text for d in told.descriptions if not modality or d.modality in shown_in(modality)]
            self._colours[key] = frozenset(c for text in (*kept, *told.concepts) for c in possible_colours(text))
        return frozenset(colours) - self._colours[key]

    def _listed(self, disease: str) -> frozenset[str]:
        """The concepts in the list of a disease, by their names in the vocabulary."""
        found = (finding for text in self._diseases[disease].concepts for finding in self._reader.read(text).concepts)
        return frozenset(finding.names[0] for finding in found if len(finding.names) == 1)

    def _is_sign(self, name: str) -> bool:
        """Whether the name of a disease is that of a concept too: telangiectasia may be seen in others."""
        return any(finding.sign for finding in self._reader.read(name).diseases)

    def _is_pool(self, name: str) -> bool:
        return name in self._reader.knowledge.card.groups or "/" in name

    @cached_property
    def _name_words(self) -> dict[str, list[frozenset[str]]]:
        return {n: [frozenset(words(t)) for t in (n, *d.aliases)] for n, d in self._diseases.items()}

    def _may_be_one(self, one: str, other: str) -> bool:
        """Whether one may be a kind of the other: a name lies within one of the other, or both end alike."""
        if words(one)[-1:] == words(other)[-1:]:  # a dysplastic nevus is a melanocytic nevus
            return True
        if self._is_pool(one) or self._is_pool(other):  # "vascular lesion" is many diseases
            return True
        return any(a <= b or b <= a for a in self._name_words[one] for b in self._name_words[other])


def _shared(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
